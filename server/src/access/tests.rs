//! Tokens, and what they give.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as URL_SAFE_NO_PAD;
use serde_json::json;
use tempfile::TempDir;

use super::token::Refusal;
use super::*;
use crate::Config;
use crate::config::Secret;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "correct horse battery staple, twice";

fn bucket(name: &str) -> Option<BucketName> {
    (!name.is_empty()).then(|| BucketName::parse(name).unwrap())
}

fn grants(read: &[&str], write: &[&str]) -> Grants {
    let patterns = |texts: &[&str]| texts.iter().map(|text| BucketPattern::new(*text)).collect();
    Grants {
        read: patterns(read),
        write: patterns(write),
    }
}

/// A token that is good for a century.
fn token(secret: &str, subject: Option<&str>, grants: Option<Grants>) -> Vec<u8> {
    token_of("an-id", secret, subject, grants)
}

fn token_of(id: &str, secret: &str, subject: Option<&str>, grants: Option<Grants>) -> Vec<u8> {
    let wish = Wish {
        id: id.to_owned(),
        subject: subject.map(str::to_owned),
        grants,
        server: "grpc://test".to_owned(),
        now: NOW,
        seconds: 100 * 365 * 24 * 3600,
    };
    issue(&Secret::from(secret), wish).unwrap().into_bytes()
}

fn signed(claims: serde_json::Value, secret: &str, algorithm: jsonwebtoken::Algorithm) -> Vec<u8> {
    let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes()).unwrap();
    let header = jsonwebtoken::Header::new(algorithm);
    jsonwebtoken::encode(&header, &claims, &key)
        .unwrap()
        .into_bytes()
}

async fn keys(secret: &str, previous: &str) -> Keys {
    let config = Config {
        secret: secret.into(),
        previous_secret: previous.into(),
        ..Config::default()
    };
    Keys::open(&config).await.unwrap().unwrap()
}

#[tokio::test]
async fn tokens_of_an_admin_give_everything_and_others_what_they_say() {
    let keys = keys(SECRET, "").await;
    let admin = keys.verify(&token(SECRET, Some("root"), None)).unwrap();
    assert!(admin.is_admin() && admin.may(Right::Write, None));
    assert_eq!(admin.subject(), Some("root"));
    let given = grants(&["daily*", ""], &["raw"]);
    let scoped = keys.verify(&token(SECRET, None, Some(given))).unwrap();
    assert!(!scoped.is_admin());
    for (name, read, write) in [
        ("daily", true, false),
        ("daily.2024", true, false),
        ("", true, false),
        ("raw", true, true),
        ("rawer", false, false),
    ] {
        let bucket = bucket(name);
        assert_eq!(scoped.may(Right::Read, bucket.as_ref()), read, "{name}");
        assert_eq!(scoped.may(Right::Write, bucket.as_ref()), write, "{name}");
    }
    assert!(!Access::default().may(Right::Read, None));
    assert!(!Access::default().is_admin());
}

#[tokio::test]
async fn tokens_that_are_not_good_are_told_why() {
    use jsonwebtoken::Algorithm::{HS256, HS512};

    let keys = keys(SECRET, "").await;
    let later = 4_000_000_000_u64;
    let admin = json!({"type": "admin", "exp": later, "iat": 1, "server": "x"});
    assert!(keys.verify(&signed(admin.clone(), SECRET, HS256)).is_ok());
    let other = signed(admin.clone(), "another secret", HS256);
    assert_eq!(keys.verify(&other).unwrap_err(), Refusal::Signature);
    let mut forged = signed(admin.clone(), SECRET, HS256);
    let middle = forged.iter().position(|byte| *byte == b'.').unwrap() + 8;
    forged[middle] ^= 1;
    assert_eq!(keys.verify(&forged).unwrap_err(), Refusal::Signature);
    let old = json!({"type": "admin", "exp": 1});
    let old = keys.verify(&signed(old, SECRET, HS256));
    assert_eq!(old.unwrap_err(), Refusal::Expired);
    // It ends with the second that it names, not after it.
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let over = json!({"type": "admin", "exp": now.unwrap().as_secs()});
    let over = keys.verify(&signed(over, SECRET, HS256));
    assert_eq!(over.unwrap_err(), Refusal::Expired);
    // As tokens look that ask for another check than the server makes.
    let headed = |algorithm: &str| {
        let head = URL_SAFE_NO_PAD.encode(json!({"alg": algorithm}).to_string());
        let claims = URL_SAFE_NO_PAD.encode(admin.to_string());
        format!("{head}.{claims}.").into_bytes()
    };
    let beginning = |head: &str| {
        let parts = [head, &admin.to_string(), ""].map(|part| URL_SAFE_NO_PAD.encode(part));
        parts.join(".").into_bytes()
    };
    for (bad, said) in [
        (beginning("no JSON"), "has a header that cannot be read"),
        (beginning("{}"), "has a header that cannot be read"),
        (
            beginning(r#"{"alg": 1}"#),
            "has a header that cannot be read",
        ),
        (beginning(r#"{"alg": "HS256", "typ": 1}"#), "has a header"),
        (
            signed(admin.clone(), SECRET, HS512),
            "algorithm HS512 is not accepted, only HS256 is",
        ),
        (headed("none"), "algorithm none is not accepted"),
        (headed("ES256K"), "algorithm ES256K is not accepted"),
        (headed("\u{1b}[2J"), "algorithm (no name of one)"),
        (headed(&"x".repeat(99)), "algorithm (no name of one)"),
        (b"".to_vec(), "JSON Web Token"),
        (b"a.b.c".to_vec(), "JSON Web Token"),
        (vec![b'a'; 9000], "too long"),
    ] {
        let refusal = keys.verify(&bad).unwrap_err().to_string();
        assert!(refusal.contains(said), "{refusal}");
    }
    for (claims, said) in [
        (json!({"exp": later}), "type"),
        (json!({"type": "user", "exp": later}), "type"),
        (json!({"type": "scoped", "exp": later}), "without grants"),
        (json!({"type": "admin"}), "`exp` is missing"),
        (json!({"type": "admin", "exp": 1}), "`exp` is over"),
        (json!({"type": "admin", "exp": "x"}), "`exp`"),
        (json!({"type": "admin", "exp": -1}), "`exp`"),
        (json!({"type": "admin", "exp": later, "sub": 7}), "`sub`"),
        (
            json!({"type": "admin", "exp": later, "nbf": later - 1}),
            "not valid yet (`nbf`)",
        ),
        (
            json!({"type": "admin", "exp": later, "aud": "x"}),
            "audience",
        ),
        (
            json!({"type": "scoped", "exp": later, "grants": {"admin": ["*"]}}),
            "claims",
        ),
        (
            json!({"type": "scoped", "exp": later, "grants": ["*"]}),
            "claims",
        ),
        (
            json!({"type": "scoped", "exp": later, "grants": [["*"], ["*"]]}),
            "claims",
        ),
    ] {
        let refusal = keys
            .verify(&signed(claims.clone(), SECRET, HS256))
            .unwrap_err();
        assert!(refusal.to_string().contains(said), "{claims}: {refusal}");
    }
}

/// Which of two a reader takes that hears the same twice is anybody's guess.
#[tokio::test]
async fn grants_that_are_given_twice_are_refused() {
    struct Twice;

    impl serde::Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
            to.collect_map([("read", ["a"]), ("read", ["*"])])
        }
    }

    #[derive(serde::Serialize)]
    struct Claims {
        r#type: &'static str,
        exp: u64,
        grants: Twice,
    }

    let keys = keys(SECRET, "").await;
    let claims = Claims {
        r#type: "scoped",
        exp: 4_000_000_000,
        grants: Twice,
    };
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes()).unwrap();
    let header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256);
    let token = jsonwebtoken::encode(&header, &claims, &key).unwrap();
    let refusal = keys.verify(token.as_bytes()).unwrap_err();
    assert!(refusal.to_string().contains("claims"), "{refusal}");
}

#[tokio::test]
async fn the_secret_before_is_taken_until_it_is_left_out() {
    let (old, new) = (token("old", None, None), token("new", None, None));
    let both = keys("new", "old").await;
    assert!(both.verify(&old).is_ok() && both.verify(&new).is_ok());
    let one = keys("new", "").await;
    assert!(one.verify(&old).is_err() && one.verify(&new).is_ok());
    assert!(!format!("{both:?}").contains("old"));
}

#[tokio::test]
async fn a_secret_in_a_file_may_change_and_may_not_vanish() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("secret");
    let config = Config {
        secret_file: path.to_str().unwrap().to_owned(),
        ..Config::default()
    };
    let told = Keys::open(&config).await.unwrap_err().to_string();
    assert!(told.contains("secret_file"), "{told}");
    std::fs::write(&path, "\n").unwrap();
    assert!(Keys::open(&config).await.is_err());
    std::fs::write(&path, "one\r\n").unwrap();
    let keys = Keys::open(&config).await.unwrap().unwrap();
    assert!(keys.verify(&token("one", None, None)).is_ok());
    assert!(!keys.look().await.unwrap());
    std::fs::write(&path, "two\n").unwrap();
    assert!(keys.look().await.unwrap());
    assert!(keys.verify(&token("two", None, None)).is_ok());
    assert!(keys.verify(&token("one", None, None)).is_err());
    std::fs::remove_file(&path).unwrap();
    assert!(keys.look().await.is_err());
    assert!(keys.verify(&token("two", None, None)).is_ok());
}

#[test]
fn refusals_name_the_bucket_and_what_is_needed() {
    let ada = Access::new(
        Some("ada".to_owned()),
        None,
        Rights::Granted(grants(&["daily"], &[])),
    );
    let told = |right, name: &str| {
        let refused = ada.require(right, bucket(name).as_ref()).unwrap_err();
        assert!(refused.is_denied());
        refused.to_string()
    };
    let text = told(Right::Write, "daily");
    assert!(
        text.contains("\"ada\" may not write to bucket daily"),
        "{text}"
    );
    assert!(text.contains("write grant"), "{text}");
    assert!(told(Right::Read, "").contains("the default bucket"));
    assert!(
        ada.require_admin("stop the server")
            .unwrap_err()
            .is_denied()
    );
    assert!(ada.require(Right::Read, bucket("daily").as_ref()).is_ok());
}

#[test]
fn commits_carry_the_name_of_the_holder() {
    let note = |author: Option<&str>| Note {
        author: author.map(str::to_owned),
        ..Note::default()
    };
    let of = |subject: Option<&str>, rights| Access::new(subject.map(str::to_owned), None, rights);
    let ada = of(Some("ada"), Rights::default());
    assert_eq!(ada.sign(note(None)).unwrap().author.as_deref(), Some("ada"));
    assert!(ada.sign(note(Some("ada"))).is_ok());
    assert!(ada.sign(note(Some("bob"))).unwrap_err().is_denied());
    let root = of(Some("root"), Rights::All);
    assert_eq!(
        root.sign(note(None)).unwrap().author.as_deref(),
        Some("root")
    );
    let other = root.sign(note(Some("bob"))).unwrap();
    assert_eq!(other.author.as_deref(), Some("bob"));
    let nameless = of(None, Rights::default());
    assert_eq!(
        nameless.sign(note(Some("bob"))).unwrap().author.as_deref(),
        Some("bob")
    );
    assert_eq!(nameless.sign(note(None)).unwrap().author, None);
}

#[test]
fn every_action_says_what_it_needs() {
    for action in shoots_proto::action::ACTIONS {
        assert!(action::need(action.name).is_some(), "{}", action.name);
    }
    let names = action::NEEDS.iter().map(|(name, _)| *name);
    assert!(names.clone().is_sorted());
    assert_eq!(names.count(), shoots_proto::action::ACTIONS.len());
}

#[test]
fn the_documentation_says_the_same_of_every_action() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/security.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text
        .lines()
        .skip_while(|line| *line != "| action | needs |")
        .skip(2);
    let rows: Vec<&str> = rows.take_while(|line| line.starts_with('|')).collect();
    let expected = action::NEEDS.iter().map(|(name, need)| {
        let need = match need {
            action::Need::Token => "token",
            action::Need::Listing => "listing",
            action::Need::Read => "read",
            action::Need::Write => "write",
            action::Need::ReadAndWrite => "read and write",
            action::Need::Admin => "admin",
        };
        format!("| `{name}` | {need} |")
    });
    assert_eq!(rows, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn a_token_that_is_called_back_is_not_taken_and_others_are() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("revoked");
    let config = Config {
        secret: SECRET.into(),
        revoked_tokens_file: path.to_str().unwrap().to_owned(),
        ..Config::default()
    };
    let error = Keys::open(&config).await.unwrap_err().to_string();
    assert!(error.contains("revoked_tokens_file"), "{error}");
    std::fs::write(&path, "").unwrap();
    let keys = Keys::open(&config).await.unwrap().unwrap();
    let (lost, kept) = (
        token_of("lost", SECRET, Some("ada"), None),
        token_of("kept", SECRET, Some("ada"), None),
    );
    assert_eq!(keys.verify(&lost).unwrap().token(), Some("lost"));
    std::fs::write(&path, "lost # on a train\n").unwrap();
    assert!(keys.look().await.unwrap());
    assert!(!keys.look().await.unwrap());
    assert_eq!(keys.verify(&lost).unwrap_err(), Refusal::Revoked);
    assert_eq!(keys.verify(&kept).unwrap().token(), Some("kept"));
    // A file of secrets that cannot be used keeps no token in.
    let secret = folder.path().join("secret");
    std::fs::write(&secret, SECRET).unwrap();
    let config = Config {
        secret_file: secret.to_str().unwrap().to_owned(),
        secret: Secret::default(),
        ..config
    };
    let keys = Keys::open(&config).await.unwrap().unwrap();
    std::fs::remove_file(&secret).unwrap();
    assert!(keys.verify(&kept).is_ok());
    std::fs::write(&path, "lost\nkept\n").unwrap();
    let problem = keys.look().await.unwrap_err().to_string();
    assert!(problem.contains("secret_file"), "{problem}");
    assert_eq!(keys.verify(&kept).unwrap_err(), Refusal::Revoked);
    assert_eq!(keys.verify(&lost).unwrap_err(), Refusal::Revoked);
    // A file that cannot be used lets nobody in again.
    std::fs::write(&path, "a line").unwrap();
    assert!(keys.look().await.is_err());
    assert_eq!(keys.verify(&lost).unwrap_err(), Refusal::Revoked);
}
