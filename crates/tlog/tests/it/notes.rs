//! Signed notes and checkpoints.

use tlog::{Checkpoint, NoteError, SigningKey, VerifierKey};

/// The example of golang.org/x/mod/sumdb/note, from which C2SP's `signed-note` was written.
const GO_KEY: &str = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
const GO_NOTE: &str = "If you think cryptography is the answer to your problem,\n\
    then you don't know what your problem is.\n\n\
    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

fn key() -> SigningKey {
    SigningKey::from_pkcs8(&SigningKey::generate().unwrap()).unwrap()
}

fn checkpoint(key: &SigningKey) -> Checkpoint {
    Checkpoint {
        origin: key.verifier().name().to_owned(),
        size: 20_852_163,
        root: tlog::leaf(b"x"),
    }
}

#[test]
fn the_published_note_is_verified() {
    let key = VerifierKey::parse(GO_KEY).unwrap();
    assert_eq!(key.to_string(), GO_KEY);
    assert!(key.open(GO_NOTE).unwrap().ends_with("problem is.\n"));
    assert_eq!(
        key.open(&GO_NOTE.replace("answer", "Answer")),
        Err(NoteError::Forged)
    );
}

#[test]
fn a_checkpoint_has_the_published_form_and_comes_back() {
    let key = key();
    let checkpoint = checkpoint(&key);
    let note = checkpoint.sign(&key);
    let lines: Vec<&str> = note.lines().collect();
    assert_eq!(lines.len(), 5);
    assert_eq!(
        (lines[0], lines[1], lines[3]),
        (key.verifier().name(), "20852163", "")
    );
    assert!(lines[4].starts_with(&format!("\u{2014} {} ", lines[0])));
    let verifier = VerifierKey::parse(&key.verifier().to_string()).unwrap();
    assert_eq!(Checkpoint::open(&note, &[verifier]), Ok(checkpoint.clone()));
    assert_eq!(Checkpoint::read(&note), Ok(checkpoint));
}

#[test]
fn a_checkpoint_of_a_stranger_or_of_another_text_is_refused() {
    let (ours, other) = (key(), key());
    let keys = [ours.verifier().clone()];
    let note = checkpoint(&ours).sign(&ours);
    let open = |note: &str| Checkpoint::open(note, &keys);
    assert_eq!(
        open(&note.replace("20852163", "20852162")),
        Err(NoteError::Forged)
    );
    // Signed by another key, under our name or its own.
    assert_eq!(
        open(&checkpoint(&ours).sign(&other)),
        Err(NoteError::Stranger)
    );
    assert_eq!(
        open(&checkpoint(&other).sign(&other)),
        Err(NoteError::Stranger)
    );
    // Signed by us, as another log.
    assert_eq!(
        open(&checkpoint(&other).sign(&ours)),
        Err(NoteError::Stranger)
    );
    for text in [
        "",
        "\n\n",
        "a\n\n",
        "a\nb\n\n\u{2014} c d\n",
        &note[1..],
        &note[..note.len() - 1],
    ] {
        assert!(open(text).is_err(), "{text:?}");
    }
    for text in [GO_KEY.replace("c7", "c8"), String::new(), "a+b+c".into()] {
        assert_eq!(VerifierKey::parse(&text), Err(NoteError::NoKey));
    }
}

#[test]
fn a_signature_with_any_bit_changed_is_refused() {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = key();
    let note = checkpoint(&key).sign(&key);
    let (head, signature) = note.trim_end().rsplit_once(' ').unwrap();
    let bytes = STANDARD.decode(signature).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let forged = format!("{head} {}\n", STANDARD.encode(changed));
        assert!(Checkpoint::open(&forged, &[key.verifier().clone()]).is_err());
    }
}

#[test]
fn a_key_shows_nothing_secret() {
    let der = SigningKey::generate().unwrap();
    let key = SigningKey::from_pkcs8(&der).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SigningKey({})", key.verifier().name()));
    assert!(SigningKey::from_pkcs8(&der[1..]).is_err());
}
