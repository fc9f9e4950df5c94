//! Models and files that operators came with, as they typed them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use modelferry::sample::Sample;

use super::host::{Host, Output, binary};

/// Returns the path of a case's file.
fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(name)
}

/// Runs a command with a file's content coming through standard input.
fn piped(host: &Host, args: &[&str], input: &Path) -> Output {
    let mut cat = Command::new("cat").arg(input).stdout(Stdio::piped()).spawn().unwrap();
    let output = Command::new(binary())
        .arg("--config")
        .arg(host.config())
        .args(args)
        .env("NO_COLOR", "1")
        .stdin(cat.stdout.take().unwrap())
        .output()
        .unwrap();
    cat.wait().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn started(name: &'static str) -> Host {
    let mut host = Host::bare(name, "");
    host.start();
    host
}

/// Binary strings made a whole model unusable: it could be neither imported nor shown.
#[test]
fn a_model_with_binary_strings_is_as_usable_as_any() {
    let (src, dst) = (started("src"), started("dst"));
    src.pair(&dst);
    let binary = case("04-binary.yaml");
    src.run(&["embedded", "import", binary.to_str().unwrap(), "--without-blobs"]).ok();
    src.run(&["status", "-m", "tiny"]).ok();
    src.run(&["show-model", "tiny"]).ok();
    src.run(&["migrate", "tiny", "dst", "--wait"]).ok();
    let exported = dst.export("tiny");
    assert_eq!(fs::read(exported.join("model.yaml")).unwrap(), fs::read(binary).unwrap());

    let shown = src.dir.path().join("shown.yaml");
    let tiny = fs::read_to_string(case("tiny.yaml")).unwrap();
    fs::write(&shown, tiny.replace("message: ready", "message: !!binary AAH//mFiYw==")).unwrap();
    let table = src.run(&["status", "--from", shown.to_str().unwrap()]).ok();
    assert!(table.contains("\\xff\\xfeabc"), "{table}");
}

/// What an import would refuse was found when the model was frozen, or later.
#[test]
fn what_an_import_would_refuse_is_told_before_anything_moves() {
    let (src, dst) = (started("src"), started("dst"));
    src.pair(&dst);
    for (file, uuid, words) in [
        ("07-offer-acl.yaml", "7a1e0000-0000-4000-8000-000000000007", "erik (read on offer web)"),
        ("08-space-constraints.yaml", "7a1e0000-0000-4000-8000-000000000008", "space \"inside\" (the model)"),
    ] {
        src.run(&["embedded", "import", case(file).to_str().unwrap(), "--without-blobs"]).ok();
        let told = src.run(&["precheck", uuid, "dst"]);
        assert!(told.out.contains(words), "{told:?}");
        told.fails(1, "To resolve this:");
        src.run(&["embedded", "remove", uuid]).ok();
    }
}

/// Two sections that are too new are mended by one later version, which stood there twice.
#[test]
fn a_line_that_mends_several_findings_is_printed_once() {
    let (src, mut dst) = (started("src"), Host::bare("dst", "version = \"3.6.11\""));
    dst.start();
    src.pair(&dst);
    src.run(&["embedded", "import", case("11-sections.yaml").to_str().unwrap(), "--without-blobs"]).ok();
    let model = "7a1e0000-0000-4000-8000-000000000011";
    let plan = src.run(&["precheck", model, "dst", "--format", "json"]);
    let plan: serde_json::Value = serde_json::from_str(&plan.out).unwrap();
    let failed = plan["findings"].as_array().unwrap().iter().filter(|finding| finding["level"] == "fail");
    let fixes: Vec<&str> = failed.filter_map(|finding| finding["fix"].as_str()).flat_map(str::lines).collect();
    let several = fixes.iter().find(|fix| fixes.iter().filter(|other| other == fix).count() > 1);
    let several = several.expect("a line that mends several findings");
    for command in ["precheck", "migrate"] {
        let told = src.run(&[command, model, "dst"]).fails(1, "To resolve this:");
        assert_eq!(told.lines().filter(|line| line.trim() == *several).count(), 1, "{told}");
    }
}

#[test]
fn plain_scalars_that_are_none_in_other_readers_are_quoted() {
    let host = Host::bare("src", "");
    let shown =
        host.run(&["status", "--from", case("15-plain-scalars.yaml").to_str().unwrap(), "--format", "yaml"]).ok();
    for quoted in ["message: \"=\"", "message: \"<<\""] {
        assert!(shown.contains(quoted), "{quoted}: {shown}");
    }
}

#[test]
fn what_comes_through_a_pipe_is_read_as_a_file_is() {
    let (host, tiny) = (started("src"), case("tiny.yaml"));
    for from in ["-", "/dev/stdin"] {
        let shown = piped(&host, &["status", "--from", from], &tiny).ok();
        assert!(shown.contains("tiny"), "{shown}");
    }
    for file in ["-", "/dev/stdin"] {
        piped(&host, &["embedded", "import", file, "--without-blobs"], &tiny).ok();
        let archive = host.dir.path().join("tiny.tar.zst");
        host.run(&["backup", "create", "tiny", archive.to_str().unwrap(), "--force"]).ok();
        piped(&host, &["backup", "verify", "-"], &archive).ok();
        assert!(piped(&host, &["status", "--from", "-"], &archive).ok().contains("tiny"));
        host.run(&["embedded", "remove", "tiny"]).ok();
    }
    piped(&host, &["backup", "restore", "-"], &host.dir.path().join("tiny.tar.zst")).ok();
    host.run(&["embedded", "remove", "tiny"]).ok();
    piped(&host, &["embedded", "import", "-", "--without-blobs"], &case("18-two-documents.yaml"))
        .fails(1, "a second YAML document begins");
    assert!(!host.run(&["models", "--format", "json"]).ok().contains("tiny"));
}

#[test]
fn a_compressed_description_is_said_to_be_one() {
    let host = started("src");
    let packed = host.dir.path().join("tiny.yaml.zst");
    zstd::stream::copy_encode(File::open(case("tiny.yaml")).unwrap(), File::create(&packed).unwrap(), 3).unwrap();
    let packed = packed.to_str().unwrap();
    for args in [
        &["status", "--from", packed][..],
        &["embedded", "import", packed, "--without-blobs"],
        &["backup", "verify", packed],
    ] {
        let told = host.run(args).fails(1, "compressed");
        assert!(told.contains("unpack it first, with `zstd -d`") && !told.contains("copy it again"), "{told}");
    }
}

/// People read of `SUN_LEN`, `struct LogTable` and `DuplicateKeyPolicy`, which are a library's words, and of advice that is
/// none for what they have.
#[test]
fn no_words_of_a_librarys_reach_people() {
    let host = Host::bare("src", "");
    for (file, words) in [
        ("18-duplicate-key.yaml", "`cloud` stands here a second time"),
        ("18-null-owner.yaml", "it has no `owner`"),
        ("18-tables.yaml", "juju show-model"),
        ("18-two-documents.yaml", "a second YAML document begins"),
        ("18-version-10.yaml", "juju migrate MODEL CONTROLLER"),
    ] {
        host.run(&["status", "--from", case(file).to_str().unwrap()]).fails(1, words);
    }
    let long = format!("/tmp/{}/ferry.sock", "x".repeat(120));
    let told = host.run(&["--socket", &long, "status"]).fails(5, "and that of a socket has 107 at most");
    assert!(!told.contains("SUN_LEN"), "{told}");
    let config = fs::read_to_string(host.config()).unwrap();
    fs::write(host.config(), config.replace("ferry.sock", &format!("{}.sock", "x".repeat(120)))).unwrap();
    let told = host.run(&["agent"]).fails(1, "and that of a socket has 107 at most");
    assert!(!told.contains("SUN_LEN"), "{told}");
    fs::write(host.config(), format!("log = 5\n{config}")).unwrap();
    let told = host.run(&["agent"]).fails(78, "expected a table");
    assert!(!told.contains("struct"), "{told}");
}

/// A charm was a link to `/etc/shadow`, and was taken.
#[test]
fn a_charm_that_is_none_or_a_link_is_refused() {
    let mut host = Host::new("src");
    host.start();
    let files = Sample::default().write(&host.dir.path().join("sample")).unwrap();
    let secret = host.dir.path().join("secret");
    fs::write(&secret, "root:*:19000:0:99999:7:::\n").unwrap();
    let charm = fs::read_dir(files.blobs.join("charms")).unwrap().next().unwrap().unwrap().path();
    let import = ["embedded", "import", files.description.to_str().unwrap(), "--blobs", files.blobs.to_str().unwrap()];
    let whole = fs::read(&charm).unwrap();
    fs::remove_file(&charm).unwrap();
    std::os::unix::fs::symlink(&secret, &charm).unwrap();
    host.run(&import).fails(1, "a link out of its directory; put the file itself there");
    fs::remove_file(&charm).unwrap();
    for content in [&b""[..], b"root:*:19000:0:99999:7:::\n", &whole[..whole.len() - 30]] {
        fs::write(&charm, content).unwrap();
        host.run(&import).fails(1, charm.file_name().unwrap().to_str().unwrap());
    }
    assert!(!host.run(&["models", "--format", "json"]).ok().contains("shop-eu"));
    fs::write(&charm, whole).unwrap();
    host.run(&import).ok();
}
