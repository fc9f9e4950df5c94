//! Opens a client's files: the client opens them and passes their descriptors to the agent.

use std::fs::File;
use std::io;
use std::path::Path;
use std::pin::pin;

use tokio::sync::{mpsc, oneshot};

use super::RequestHandler;
use crate::agent::control::Failure;
use crate::agent::control::fd_passing::Wanted;
use crate::agent::socket::server::Client;
use crate::controller::embedded::Embedded;
use crate::controller::files::Files;
use crate::controller::port::ControllerError;

type Asked = (Wanted, oneshot::Sender<io::Result<File>>);

/// The client's files, for work that blocks.
struct OfClient(mpsc::Sender<Asked>);

impl OfClient {
    fn ask(&mut self, path: &Path, create: bool) -> io::Result<File> {
        let (reply, handed) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::BrokenPipe);
        self.0.blocking_send((Wanted { path: path.to_owned(), create }, reply)).map_err(|_| gone())?;
        handed.blocking_recv().map_err(|_| gone())?
    }
}

impl Files for OfClient {
    fn open(&mut self, path: &Path) -> io::Result<File> {
        self.ask(path, false)
    }

    fn create(&mut self, path: &Path) -> io::Result<File> {
        self.ask(path, true)
    }
}

impl RequestHandler {
    /// Runs work on the embedded controller that needs files of the client's.
    pub(super) async fn with_files<R: Send + 'static>(
        &self,
        client: &mut Client,
        work: impl FnOnce(&Embedded, &mut dyn Files) -> Result<R, ControllerError> + Send + 'static,
    ) -> Result<R, Failure> {
        let (asking, mut asked) = mpsc::channel(1);
        let mut done = pin!(self.blocking(move |embedded| work(embedded, &mut OfClient(asking))));
        loop {
            tokio::select! {
                done = &mut done => return done,
                Some((wanted, reply)) = asked.recv() => {
                    // Nobody waits for it once the work has failed.
                    let _ = reply.send(client.file(wanted).await);
                }
            }
        }
    }
}
