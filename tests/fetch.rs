//! `es-train fetch` against servers that behave and servers that do not.

mod harness;
mod http_server;

use std::net::TcpListener;
use std::path::{Path, PathBuf};

use es_train::dataset::download::{DownloadError, Event, Reason, download};
use es_train::dataset::known::{About, KNOWN, Known, KnownFile};
use es_train::dataset::{Split, load};
use harness::{Outcome, Place, argument};
use http_server::{Server, cut, reply, rest, whole};

/// The one file of [`SMALL`], several buffers long.
fn content() -> Vec<u8> {
    (0..200_000_u32).map(|i| (i.wrapping_mul(i) >> 7) as u8).collect()
}

const MD5_OF_CONTENT: u128 = 0x0e28_42a7_69bd_e090_4b1e_f396_d6f4_7b75;
/// Of no bytes at all: RFC 1321, A.5.
const MD5_OF_NOTHING: u128 = 0xd41d_8cd9_8f00_b204_e980_0998_ecf8_427e;

/// A set whose first file is [`content`]; the others are empty files that [`place`] makes.
static SMALL: Known = Known {
    name: "small",
    about: About { training: 0, test: 0, size: [0, 0], paper: "", samples: "nothing" },
    mirrors: &[],
    files: [
        KnownFile { name: "content", md5: MD5_OF_CONTENT },
        KnownFile { name: "a", md5: MD5_OF_NOTHING },
        KnownFile { name: "b", md5: MD5_OF_NOTHING },
        KnownFile { name: "c", md5: MD5_OF_NOTHING },
    ],
};

/// A directory in which only the first file of [`SMALL`] is missing, of which there is this part.
fn place(part: &[u8]) -> Place {
    let place = ["a", "b", "c"].iter().fold(Place::new(), |place, name| place.with_file(name, ""));
    std::fs::write(place.path("content.part"), part).unwrap();
    place
}

/// Downloads [`SMALL`]; what failed on the way.
fn get(place: &Place, server: &Server) -> (Result<(), DownloadError>, Vec<String>) {
    let mut failed = Vec::new();
    let result = download(&SMALL, &place.path("."), Some(&server.address), &mut |event| {
        if let Event::Failed { reason, .. } = event {
            failed.push(reason.to_string());
        }
    });
    (result, failed)
}

#[track_caller]
fn is_whole(place: &Place) {
    assert!(std::fs::read(place.path("content")).unwrap() == content());
    assert!(!place.path("content.part").exists());
}

// Downloading

#[test]
fn a_part_is_gone_on_with() {
    let place = place(&content()[..70_000]);
    let server = Server::new(|_, from, _| rest(&content(), from));
    get(&place, &server).0.unwrap();
    is_whole(&place);
    assert_eq!(server.requests(), [("/content".to_owned(), Some(70_000))]);
}

#[test]
fn a_server_without_ranges_starts_anew() {
    let place = place(&content()[..70_000]);
    let server = Server::new(|_, _, _| whole(&content()));
    get(&place, &server).0.unwrap();
    is_whole(&place);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_part_that_is_whole_needs_no_server() {
    let place = place(&content());
    let server = Server::new(|_, _, _| reply("500 No", "", b""));
    get(&place, &server).0.unwrap();
    is_whole(&place);
    assert!(server.requests().is_empty());
}

#[test]
fn a_part_of_something_else_is_given_up() {
    for part in [vec![1; 100], vec![1; 200_000], vec![1; 300_000]] {
        let place = place(&part);
        let server = Server::new(|_, from, _| rest(&content(), from));
        get(&place, &server).0.unwrap();
        is_whole(&place);
        assert_eq!(server.starts(), [Some(part.len()), None], "{}", part.len());
    }
}

#[test]
fn a_connection_that_breaks_is_made_again_for_the_rest() {
    let place = place(&[]);
    let server = Server::new(|_, from, before| match before {
        0 => cut(rest(&content(), from), 50_000),
        _ => rest(&content(), from),
    });
    let (result, failed) = get(&place, &server);
    result.unwrap();
    is_whole(&place);
    assert_eq!(server.starts(), [None, Some(150_000)]);
    assert!(failed[0].contains("broke after 150000 bytes"), "{failed:?}");
}

#[test]
fn a_server_that_always_hangs_up_is_left_and_the_part_is_kept() {
    let place = place(&[]);
    let server = Server::new(|_, from, _| cut(rest(&content(), from), 50_000));
    let (result, _) = get(&place, &server);
    // The second answer has nothing but its header.
    assert!(matches!(result, Err(DownloadError::NoMirror { .. })), "{result:?}");
    assert_eq!(server.starts(), [None, Some(150_000)]);
    assert!(std::fs::read(place.path("content.part")).unwrap() == content()[..150_000]);
}

#[test]
fn a_file_that_is_wrong_is_replaced_only_by_the_right_one() {
    let place = place(&[]).with_file("content", "wrong");
    let server = Server::new(|_, _, _| whole(b"wrong as well"));
    let (result, _) = get(&place, &server);
    let Err(DownloadError::NoMirror { reasons, .. }) = &result else { panic!("{result:?}") };
    assert!(matches!(reasons[0].1, Reason::Checksum { expected: MD5_OF_CONTENT, .. }));
    assert_eq!(std::fs::read(place.path("content")).unwrap(), b"wrong");
    assert!(!place.path("content.part").exists());
    get(&place, &Server::new(|_, from, _| rest(&content(), from))).0.unwrap();
    is_whole(&place);
}

#[test]
fn two_downloads_into_one_directory_do_not_mix() {
    let place = place(&[]);
    let directory = std::fs::File::open(place.path(".")).unwrap();
    directory.lock().unwrap();
    let server = Server::new(|_, from, _| rest(&content(), from));
    let (result, _) = get(&place, &server);
    assert!(result.unwrap_err().to_string().contains("another `es-train fetch`"));
    drop(directory);
    get(&place, &server).0.unwrap();
}

// The command

/// `es-train fetch mnist` into `data`, from this mirror, and through no proxy.
fn fetch(place: &Place, mirror: &str) -> Outcome {
    es_train(place, &["fetch", "mnist", "--data", "data", "--mirror", mirror])
}

fn es_train(place: &Place, arguments: &[&str]) -> Outcome {
    let mut command = place.command(arguments);
    command.env("NO_PROXY", "127.0.0.1").env_remove("ES_TRAIN_DATA");
    Outcome::new(arguments, command.output().unwrap())
}

#[test]
fn an_unknown_data_set_is_refused_with_the_known_ones() {
    let place = Place::new();
    let outcome = es_train(&place, &["fetch", "mnist", "cifar", "--data", "data"]);
    outcome.exits_with(2).says(&["`cifar`", "mnist, fashion-mnist, synthetic"]);
    assert!(!place.path("data").exists());
}

#[test]
fn wrong_usage_is_refused_before_anything_is_asked_for() {
    let place = Place::new();
    es_train(&place, &["fetch"]).exits_with(2).says(&["<NAME>"]);
    es_train(&place, &["fetch", "mnist", "--mirror", "ftp://x"]).exits_with(2).says(&["http://"]);
    let two = ["fetch", "mnist", "fashion-mnist", "--data", "data", "--mirror", "http://127.0.0.1"];
    es_train(&place, &two).exits_with(2).says(&["--mirror", "one name instead of 2"]);
    assert!(!place.path("data").exists());
}

#[test]
fn what_is_made_in_the_program_needs_no_download() {
    let outcome = es_train(&Place::new(), &["fetch", "synthetic", "--data", "data"]);
    outcome.exits_with(0).prints(&["synthetic is made in the program"]);
}

#[test]
fn where_nobody_listens_every_address_is_told_with_its_reason() {
    let place = Place::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mirror = format!("http://127.0.0.1:{port}/somewhere/");
    let outcome = fetch(&place, &mirror).exits_with(1).says(&[
        "cannot download train-images-idx3-ubyte.gz of mnist",
        &format!("{mirror}train-images-idx3-ubyte.gz: no answer"),
        "see to the network",
        "--mirror URL",
        "data/mnist",
    ]);
    assert_eq!(outcome.stderr.matches("no answer").count(), 1, "{outcome:?}");
    assert_eq!(std::fs::read_dir(place.path("data/mnist")).unwrap().count(), 0);
}

#[test]
fn a_server_that_cannot_prove_who_it_is_is_told() {
    let server = Server::new(|_, _, _| whole(b"not encrypted"));
    let mirror = server.address.replace("http:", "https:");
    fetch(&Place::new(), &mirror).exits_with(1).says(&["no answer", &mirror]);
}

#[test]
fn a_mirror_without_the_file_is_told() {
    let server = Server::new(|_, _, _| reply("404 Not Found", "", b"<html>no</html>"));
    fetch(&Place::new(), &server.address).exits_with(1).says(&["404 Not Found"]);
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn a_wrong_checksum_is_told_and_nothing_is_left() {
    let place = Place::new();
    let server = Server::new(|_, _, _| whole(b"<html>log in to the hotel's network</html>"));
    let outcome = fetch(&place, &server.address);
    outcome.exits_with(1).says(&["MD5", "f68b3c2dcbeaaa9fbdd348bbdeb94873", "is deleted"]);
    assert_eq!(std::fs::read_dir(place.path("data/mnist")).unwrap().count(), 0);
}

#[test]
fn a_place_that_cannot_be_written_is_named() {
    let place = Place::new().with_file("data", "");
    fetch(&place, "http://127.0.0.1:1").exits_with(1).says(&["data/mnist", "--data DIR"]);
}

/// The published files, where `ES_TRAIN_DATA` has them.
fn published() -> Option<PathBuf> {
    let root = PathBuf::from(std::env::var_os("ES_TRAIN_DATA")?);
    let has_all = |place: &PathBuf| KNOWN[0].files.iter().all(|f| place.join(f.name).is_file());
    [root.join("mnist"), root].into_iter().find(has_all)
}

#[test]
fn the_published_files_arrive_byte_for_byte_and_are_not_fetched_twice() {
    let Some(published) = published() else {
        println!("left out: ES_TRAIN_DATA names no directory with the files of mnist");
        return;
    };
    let place = Place::new();
    let served = published.clone();
    let server = Server::new(move |path, from, before| {
        let answer = rest(&std::fs::read(served.join(&path[1..])).unwrap(), from);
        if before == 0 { cut(answer, 1_000_000) } else { answer }
    });
    fetch(&place, &server.address).exits_with(0).says(&["broke after"]).prints(&["data/mnist"]);
    assert_eq!(server.requests().len(), 5);
    let data = place.path("data/mnist");
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 4);
    for name in KNOWN[0].files.iter().map(|file| file.name) {
        let read = |place: &Path| std::fs::read(place.join(name)).unwrap();
        assert!(read(&data) == read(&published), "{name}");
    }
    fetch(&place, &server.address).exits_with(0).says(&["already here"]);
    assert_eq!(server.requests().len(), 5);

    // And it is the data set that everybody knows.
    let set = load("mnist", Split::Validation, Some(&place.path("data"))).unwrap();
    let validation = set.validation.as_ref().unwrap();
    assert_eq!((set.training.len(), validation.len(), set.test.len()), (50_000, 10_000, 10_000));
    assert_eq!((set.training.width(), set.classes), (784, 10));
    let first: Vec<u8> = (0..10).map(|i| set.training.label(i)).collect();
    assert_eq!(first, [5, 0, 4, 1, 9, 2, 1, 3, 1, 4]);
    assert_eq!((validation.label(9_999), set.test.label(0)), (8, 7));

    // Which another set of the same file names is not.
    let error = load("fashion-mnist", Split::Test, Some(Path::new(argument(&data)))).unwrap_err();
    assert!(
        error.to_string().contains("a file of mnist, expected one of fashion-mnist"),
        "{error}"
    );
}
