//! What was measured, as a ratio of two things of the same run: these are
//! what hold when the machine's speed drifts; seconds alone are not.

use serde::Serialize;
use std::fmt::Write as _;

/// Samples of one quantity, in seconds unless its name says otherwise.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Series(Vec<f64>);

impl Series {
    /// One more sample.
    pub fn add(&mut self, sample: f64) {
        self.0.push(sample);
    }

    /// The sample below which `share` (0 to 1) of them lie; NaN without samples.
    pub fn quantile(&self, share: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().saturating_sub(1);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "an index into a short list"
        )]
        let index = (last as f64 * share).ceil() as usize;
        sorted.get(index).copied().unwrap_or(f64::NAN)
    }

    /// The middle one.
    pub fn median(&self) -> f64 {
        self.quantile(0.5)
    }
}

/// The middle one of the ratios of samples that were taken in turns: the
/// machine's speed drifts from one turn to the next.
pub fn ratio(ours: &Series, theirs: &Series) -> f64 {
    let pairs = ours.0.iter().zip(&theirs.0);
    Series(pairs.map(|(ours, theirs)| ours / theirs).collect()).median()
}

/// Whether a ratio or a time should be small or large.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aim {
    /// No more than this.
    AtMost(f64),
    /// No less than this.
    AtLeast(f64),
    /// Only reported.
    None,
}

impl Aim {
    /// Whether a figure is as it should be; `None` where nothing was aimed at.
    pub fn met(self, figure: f64) -> Option<bool> {
        match self {
            Self::AtMost(limit) => Some(figure <= limit),
            Self::AtLeast(limit) => Some(figure >= limit),
            Self::None => None,
        }
    }
}

/// One line of the result.
#[derive(Clone, Debug, Serialize)]
pub struct Figure {
    /// What was measured.
    pub what: String,
    /// What stands above the line.
    pub ours: String,
    /// What stands below it.
    pub against: String,
    /// The figure itself.
    pub figure: f64,
    /// `x`, `ms`, `MiB` and so on.
    pub unit: &'static str,
    /// What it should be.
    pub aim: Aim,
}

/// The figures of a whole run, for the eye.
pub fn table(figures: &[Figure]) -> String {
    let header = ["what", "ours", "against", "figure", "aim", ""].map(str::to_owned);
    let rows: Vec<[String; 6]> = std::iter::once(header)
        .chain(figures.iter().map(|f| {
            let aim = match f.aim {
                Aim::AtMost(limit) => format!("<= {limit} {}", f.unit),
                Aim::AtLeast(limit) => format!(">= {limit} {}", f.unit),
                Aim::None => String::new(),
            };
            let verdict = match f.aim.met(f.figure) {
                Some(true) => "met",
                Some(false) => "MISSED",
                None => "",
            };
            let figure = format!("{:.2} {}", f.figure, f.unit);
            [
                f.what.clone(),
                f.ours.clone(),
                f.against.clone(),
                figure,
                aim,
                verdict.to_owned(),
            ]
        }))
        .collect();
    let widths: Vec<usize> = (0..6)
        .map(|column| {
            rows.iter()
                .map(|r| r[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for row in &rows {
        let mut line = String::new();
        for (index, (cell, width)) in row.iter().zip(&widths).enumerate() {
            let padding = " ".repeat(width - cell.chars().count());
            // The figure stands right, so that the points line up.
            let (before, after) = if index == 3 {
                (padding.as_str(), "")
            } else {
                ("", padding.as_str())
            };
            let _ = write!(line, "{before}{cell}{after}  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Seconds as a person reads them.
pub fn seconds(value: f64) -> String {
    match value {
        v if v < 1e-3 => format!("{:.0} us", v * 1e6),
        v if v < 1.0 => format!("{:.1} ms", v * 1e3),
        v => format!("{v:.2} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_samples_that_were_taken() {
        let mut series = Series::default();
        assert!(series.median().is_nan());
        for sample in [5.0, 1.0, 3.0, 2.0, 4.0] {
            series.add(sample);
        }
        assert_eq!(series.median(), 3.0);
        assert_eq!(series.quantile(0.99), 5.0);
        assert_eq!(series.quantile(0.0), 1.0);
    }

    #[test]
    fn a_table_lines_up_and_tells_what_was_missed() {
        let figure = |what: &str, figure, aim| Figure {
            what: what.to_owned(),
            ours: "1.00 s".to_owned(),
            against: "0.50 s".to_owned(),
            figure,
            unit: "x",
            aim,
        };
        let text = table(&[
            figure("push", 1.25, Aim::AtMost(1.5)),
            figure("push against forks", 12.5, Aim::AtLeast(15.0)),
            figure("memory", 3.0, Aim::None),
        ]);
        assert_eq!(
            text,
            "\
what                ours    against   figure  aim
push                1.00 s  0.50 s    1.25 x  <= 1.5 x  met
push against forks  1.00 s  0.50 s   12.50 x  >= 15 x   MISSED
memory              1.00 s  0.50 s    3.00 x
"
        );
    }
}
