//! The demo's setup: a scratch directory, two agents, the link between them, a model.

use std::fs;
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::agent_config::AgentConfig;
use super::agent_process::AgentProcess;
use super::control::ask;
use super::narration::{Narration, Show};
use super::own_model::make_up;
use super::relay::DatagramRelay;
use super::trouble::Trouble;
use crate::agent::control::{Request, Response};
use crate::cli::demo::DemoArgs;
use crate::cli::output::byte_count;
use crate::cli::spool::spooled;
use crate::controller::description::{Description, DescriptionError, read_bytes};
use crate::sample::{Home, Sample, SampleFiles, rewrite_for_41};

/// An executable larger than this share of the whole would leave little for the rest.
const EXECUTABLE_SHARE: u64 = 4;
/// How often the link is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long the agents may take to find each other. A minute: hosts may be busy, and the link may lose a lot.
const LINKED_WITHIN: Duration = Duration::from_secs(60);
/// The name and UUID of a model that the destination has before: of the same Juju version, so of the same agent binary.
const NEIGHBOUR: (&str, &str) = ("warehouse", "c3a1f0de-52b7-4d0c-a2c8-90f7b1d6e845");

/// The model that is to move.
pub(super) struct Model {
    /// Its name.
    pub(super) name: String,
    /// What its description says.
    pub(super) told: Description,
    /// Its description.
    pub(super) description: PathBuf,
    /// Its binaries.
    pub(super) blobs: PathBuf,
    /// Something the audience should know of it.
    pub(super) remark: Option<String>,
}

/// The stage.
pub(super) struct Stage {
    /// The agent beside the source controller.
    pub(super) src: AgentProcess,
    /// The agent beside the destination controller.
    pub(super) dst: AgentProcess,
    /// The link between them.
    pub(super) relay: DatagramRelay,
    /// The model.
    pub(super) model: Model,
}

impl Model {
    /// Takes the user's model, or makes one.
    ///
    /// Errors: [`Trouble`] for a description that is none, and for a disk that is full.
    pub(super) fn prepare(args: &DemoArgs, scratch: &Path) -> Result<Self, Trouble> {
        let (files, remark) = match &args.description {
            None => (sample(args).write(scratch)?, None),
            Some(description) => own(args, description, scratch)?,
        };
        let told =
            Description::parse(&read(&files.description)?).map_err(|error| unusable(&files.description, &error))?;
        let SampleFiles { description, blobs, .. } = files;
        Ok(Self { name: told.name.clone(), told, description, blobs, remark })
    }
}

impl Model {
    /// Makes a model as a controller of Juju 3.6 writes it and one of 4.1 takes it, of what a controller has that was told nothing.
    ///
    /// Errors: [`Trouble`] for a disk that is full.
    pub(super) fn of_36(args: &DemoArgs, scratch: &Path) -> Result<Self, Trouble> {
        let files = Sample { home: Home::LOCALHOST, ..sample(args) }.write(scratch)?;
        rewrite_for_41(&files)?;
        let SampleFiles { description, blobs, .. } = files;
        let told = Description::parse(&read(&description)?).map_err(|error| unusable(&description, &error))?;
        Ok(Self { name: told.name.clone(), told, description, blobs, remark: None })
    }
}

fn unusable(path: &Path, error: &dyn std::error::Error) -> Trouble {
    Trouble::new(format!("{} cannot be used: {error}", path.display()))
}

fn read(description: &Path) -> Result<Vec<u8>, Trouble> {
    let read = fs::File::open(description).map_err(DescriptionError::from).and_then(|mut file| read_bytes(&mut file));
    read.map_err(|error| unusable(description, &error))
}

/// Returns a description that can be read twice: one that comes through a pipe is copied into `scratch`.
fn settled(description: &Path, scratch: &Path) -> Result<PathBuf, Trouble> {
    let Some(mut spooled) = spooled(description).map_err(|failure| Trouble::new(failure.message))? else {
        return description.canonicalize().map_err(|error| unusable(description, &error));
    };
    let path = scratch.join("given.yaml");
    io::copy(&mut spooled, &mut fs::File::create(&path)?)?;
    Ok(path)
}

fn sample(args: &DemoArgs) -> Sample {
    let executable = std::env::current_exe().ok();
    // Compressed it is about a third.
    let fits = |path: &PathBuf| fs::metadata(path).is_ok_and(|meta| meta.len() / 3 < args.size / EXECUTABLE_SHARE);
    Sample { size_bytes: args.size, seed: args.seed, executable: executable.filter(fits), ..Sample::default() }
}

fn own(args: &DemoArgs, description: &Path, scratch: &Path) -> Result<(SampleFiles, Option<String>), Trouble> {
    let description = settled(description, scratch)?;
    if let Some(blobs) = &args.blobs {
        let blobs = blobs.canonicalize().map_err(|error| unusable(blobs, &error))?;
        return Ok((SampleFiles { description, blobs, blob_count: 0, blob_bytes: 0 }, None));
    }
    let bytes = read(&description)?;
    let told = Description::parse(&bytes).map_err(|error| unusable(&description, &error))?;
    let text = String::from_utf8_lossy(&bytes);
    let made = make_up(&told, &text, scratch, args.size, args.seed)?;
    let remark = format!(
        "No binaries were given, so {} are made up, {} in all; the hashes and sizes of agent binaries and file \
         resources in the description are theirs. Give your own with --blobs DIR.",
        told.wanted().len(),
        byte_count(args.size),
    );
    let files = SampleFiles { description: made.description, blobs: made.blobs, blob_count: 0, blob_bytes: 0 };
    Ok((files, Some(remark)))
}

impl Stage {
    /// Starts both agents and lays the link between them.
    ///
    /// Errors: [`Trouble`] if an agent does not start.
    pub(super) async fn set_up(
        args: &DemoArgs,
        scratch: &Path,
        model: Model,
        narration: &mut Narration<'_>,
    ) -> Result<Self, Trouble> {
        narration.step("Two agents, each with a controller of its own, and a thin link between them");
        let ports = free_ports::<4>()?;
        let address = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut src = AgentProcess::new("src", address(ports[0]), scratch)?;
        let mut dst = AgentProcess::new("dst", address(ports[1]), scratch)?;
        for (agent, api_port) in [(&mut src, ports[2]), (&mut dst, ports[3])] {
            let config = AgentConfig::like(&model.told, agent, api_port)?;
            fs::write(agent.config(), toml::to_string(&config).map_err(io::Error::other)?)?;
            agent.start().await?;
            narration.line(format_args!(
                "  {}$ modelferry agent --config {}    (process {})",
                agent.name,
                agent.config().display(),
                agent.id().unwrap_or_default(),
            ));
        }
        let relay = DatagramRelay::start(args.link, src.listen, dst.listen, args.seed).await?;
        narration.remark(format_args!("the link: {}", args.link));
        Ok(Self { src, dst, relay, model })
    }

    /// Pairs the agents over the link.
    pub(super) async fn pair(&self, narration: &mut Narration<'_>) -> Result<(), Trouble> {
        narration.step("Pair them, with a code that is good once");
        let offer = narration.run_ok(&self.dst, &["pair", "offer", "--as", "src"], Show::Nothing).await?;
        let code = offer.lines().find_map(|line| line.split_once("pair accept ")).map(|(_, rest)| rest);
        let code = code.and_then(|rest| rest.split_whitespace().next()).ok_or_else(|| {
            Trouble::new(format!("`pair offer` printed no command for the other host: {}", offer.trim()))
        })?;
        let address = self.relay.for_a.to_string();
        narration.run_ok(&self.src, &["pair", "accept", code, &address, "--as", "dst"], Show::All).await?;
        for agent in [&self.src, &self.dst] {
            linked(agent).await?;
        }
        Ok(())
    }

    /// Imports the model into the source controller, and a neighbour into the destination.
    pub(super) async fn import(&self, args: &DemoArgs, narration: &mut Narration<'_>) -> Result<(), Trouble> {
        let model = &self.model;
        match (&args.description, &model.remark) {
            (None, _) => narration.step(
                "A model: 4 machines, a container, a subordinate, spaces, storage, an offer, secrets, users, binaries",
            ),
            (Some(path), remark) => {
                narration.step(format_args!("Your model, {}", path.display()));
                remark.iter().for_each(|remark| narration.remark(remark));
            }
        }
        for user in model.told.users.iter().filter(|user| user.name != model.told.owner) {
            self.src.run(&["embedded", "user", "add", &user.name]).await?;
        }
        let (description, blobs) = (model.description.to_string_lossy(), model.blobs.to_string_lossy());
        let import = ["embedded", "import", &description, "--blobs", &blobs];
        narration.run_ok(&self.src, &import, Show::All).await?;
        if args.description.is_none() {
            self.import_neighbour(args, narration).await?;
        }
        Ok(())
    }

    async fn import_neighbour(&self, args: &DemoArgs, narration: &Narration<'_>) -> Result<(), Trouble> {
        let (name, uuid) = NEIGHBOUR;
        let like = sample(args);
        let neighbour =
            Sample { name: name.into(), uuid: uuid.into(), machines: 1, size_bytes: args.size / 64, ..like };
        let dir = self.model.description.with_file_name(name);
        let files = neighbour.write(&dir)?;
        let (description, blobs) = (files.description.to_string_lossy(), files.blobs.to_string_lossy());
        narration.run_ok(&self.dst, &["embedded", "import", &description, "--blobs", &blobs], Show::All).await?;
        Ok(())
    }
}

/// Waits until an agent is linked with the other. On a fast host it comes to its first question before its first round trip.
async fn linked(agent: &AgentProcess) -> Result<(), Trouble> {
    let connected = async {
        loop {
            match ask(&agent.socket, &Request::Peers {}).await? {
                Response::Peers(peers) if peers.iter().any(|peer| peer.connected) => return Ok(()),
                Response::Peers(_) => sleep(LOOK_AGAIN).await,
                other => return Err(Trouble::new(format!("a list of peers was answered with {other:?}"))),
            }
        }
    };
    let late = || {
        Trouble::new(format!("{} has found no link to the other agent in {} s", agent.name, LINKED_WITHIN.as_secs()))
    };
    timeout(LINKED_WITHIN, connected).await.unwrap_or_else(|_| Err(late()))
}

/// Returns ports that nobody uses now, neither of UDP nor of TCP.
pub(super) fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    // All are held until the last is found, so that none is found twice.
    let mut held = Vec::new();
    while held.len() < N {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = udp.local_addr()?.port();
        if let Ok(tcp) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            held.push((port, udp, tcp));
        }
    }
    let mut ports = held.iter().map(|(port, ..)| *port);
    Ok(std::array::from_fn(|_| ports.next().unwrap_or_default()))
}
