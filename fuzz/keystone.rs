//! What the fuzz target of Keystone's answers does with its input and what
//! must hold of the outcome. A plain function of bytes, so that a stable test
//! runs it too.

use sdwan_keystone::{Interface, Token, discovery};

/// A token or a list of versions is read or refused in words; wherever a
/// version is said to be, the host stays. The first byte picks which it is.
pub fn keystone_answer(data: &[u8]) {
    let Some((pick, answer)) = data.split_first() else {
        return;
    };
    if pick & 1 == 0 {
        token(answer);
    } else {
        versions(answer);
    }
}

fn token(answer: &[u8]) {
    let token = match Token::parse(answer) {
        Ok(token) => token,
        Err(why) => return assert!(!why.to_string().is_empty()),
    };
    assert!(token.is_expired(token.expires));
    for service in ["keystone", "identity", ""] {
        match token.catalog.endpoint(service, None, Interface::Public) {
            Ok(_) => assert!(!token.catalog.is_empty()),
            Err(missing) => assert!(!missing.to_string().is_empty()),
        }
    }
}

fn versions(answer: &[u8]) {
    let asked = "https://keystone.example.net:5000/identity/";
    let Ok(asked) = asked.parse() else {
        return;
    };
    match discovery::v3(&asked, answer) {
        Ok(found) => assert_eq!(found.origin(), asked.origin()),
        Err(why) => assert!(!why.is_empty()),
    }
}
