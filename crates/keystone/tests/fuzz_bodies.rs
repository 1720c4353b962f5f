//! The body of the fuzz target, bounded and on stable: a real answer with some
//! of its bytes replaced, cut or doubled reaches further than noise.

#[path = "../../../fuzz/keystone.rs"]
mod keystone;

use proptest::collection::vec;
use proptest::prelude::*;

/// What Keystone 30 answered to a login for a project.
const TOKEN: &str = include_str!("answers/project.json");
/// What it answers at `/`.
const VERSIONS: &str = include_str!("answers/versions.json");

/// One thing done to an answer.
#[derive(Clone, Debug)]
enum Edit {
    Replace(usize, Vec<u8>),
    Cut(usize, usize),
    Double(usize, usize),
}

impl Edit {
    fn apply(&self, data: &mut Vec<u8>) {
        let range = |at: usize, length: usize| {
            let at = at % (data.len() + 1);
            at..(at + length).min(data.len())
        };
        match self {
            Self::Replace(at, bytes) => {
                let range = range(*at, bytes.len());
                data.splice(range, bytes.iter().copied());
            }
            Self::Cut(at, length) => {
                let range = range(*at, *length);
                data.drain(range);
            }
            Self::Double(at, length) => {
                let range = range(*at, *length);
                let twice = data[range.clone()].to_vec();
                data.splice(range.start..range.start, twice);
            }
        }
    }
}

fn any_edit() -> impl Strategy<Value = Edit> {
    let token = prop::sample::select(&["null", "{}", "[", "\"x\"", "7", ","][..]);
    prop_oneof![
        2 => (any::<usize>(), token).prop_map(|(at, text)| Edit::Replace(at, text.into())),
        2 => (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Edit::Replace(at, vec![byte])),
        1 => (any::<usize>(), 0..60_usize).prop_map(|(at, length)| Edit::Cut(at, length)),
        1 => (any::<usize>(), 0..200_usize).prop_map(|(at, length)| Edit::Double(at, length)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn answers(pick in 0..2_u8, edits in vec(any_edit(), 0..4)) {
        let answer = [TOKEN, VERSIONS][usize::from(pick)];
        let mut data = answer.as_bytes().to_vec();
        for edit in edits {
            edit.apply(&mut data);
        }
        data.insert(0, pick);
        keystone::keystone_answer(&data);
    }

    #[test]
    fn noise(data in vec(any::<u8>(), 0..300)) {
        keystone::keystone_answer(&data);
    }
}

/// The seeds are what they are said to be.
#[test]
fn real_answers_are_understood() {
    let token = sdwan_keystone::Token::parse(TOKEN.as_bytes()).expect("a token");
    assert_eq!(token.roles, ["reader", "manager", "admin", "member"]);
    let asked = "https://k:5000/".parse().expect("a URL");
    let found = sdwan_keystone::discovery::v3(&asked, VERSIONS.as_bytes());
    assert_eq!(found.expect("v3").as_str(), "https://k:5000/v3");
}
