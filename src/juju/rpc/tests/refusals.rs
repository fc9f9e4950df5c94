//! What is logged of bad input.

use std::io;

use super::*;

/// A log that a test reads.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    /// Takes the log of this thread, on which the servers of its test run as well.
    fn begin() -> (Self, tracing::subscriber::DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().with_ansi(false).without_time().with_writer(move || writer.clone()).finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    fn lines(&self) -> Vec<String> {
        let text = String::from_utf8(self.0.lock().clone()).unwrap();
        text.lines().filter(|line| line.contains("refused")).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn a_refused_call_is_one_line_of_the_log_with_its_caller_and_no_more_than_its_beginning() {
    let (log, _guard) = Log::begin();
    let rig = Rig::start().await;
    let stranger = rig.dial().await;
    assert!(stranger.call_version("Machiner", 1, "", "Life", json!({})).await.is_err());
    let client = rig.client().await;
    let echoed = |results: Value| client.call("ModelManager", &[10], "Echo", json!({ "results": results }));
    echoed(json!([{ "result": { "error": "as the model has it" } }])).await.unwrap();
    let wrong = |tag: &str| json!({ "error": { "message": format!("{tag:?} is not a valid model tag"), "code": "" } });
    echoed(json!([{ "result": 1 }, wrong("machine-0\nINFO forged"), wrong("unit-0")])).await.unwrap();
    assert!(client.call("ModelManager", &[10], "Fail", json!({})).await.is_err());
    let long = "x".repeat(1 << 20);
    assert!(client.call_version("ModelManager", 10, "", &long, json!({})).await.is_err());
    assert!(client.call_version("Client", 8, "", "FullStatus", json!({})).await.is_err());
    // Nobody has done anything wrong.
    for code in ["redirection required", "model migration in progress", "try again", "stopped"] {
        echoed(json!([{ "error": { "message": "later", "code": code } }])).await.unwrap();
    }
    let lines = log.lines();
    assert_eq!(lines.len(), 5, "{lines:#?}");
    let tells = |line: &str, parts: &[&str]| parts.iter().all(|part| line.contains(part));
    assert!(tells(&lines[0], &["peer=127.0.0.1:", r#"user="""#, r#"call="Machiner(1).Life""#]), "{lines:#?}");
    assert!(tells(&lines[1], &[r#"user="user-admin""#, r#"call="ModelManager(10).Echo""#, "not a valid model tag"]));
    assert!(tells(&lines[2], &[r#"call="ModelManager(10).Fail""#, "permission denied (unauthorized access)"]));
    assert!(lines[3].contains("unknown method") && lines[3].len() < 1000, "{} bytes", lines[3].len());
    assert!(tells(&lines[4], &[r#"call="Client(8).FullStatus""#, "not supported for controller API connection"]));
}
