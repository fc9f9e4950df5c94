//! `emulated-link KEY=VALUE… <&A 1>&B`: carries IP packets between two TUN devices as a thin, long or lossy link would.
//!
//! The devices come as file descriptors 0 and 1, opened by whoever starts this. One thread waits for packets and for the
//! moment at which the next one arrives. While it runs it takes orders as datagrams: `cut`, `mend`, `rate BITS`, `mtu BYTES`, and
//! `stats`, which is answered with the packets, bytes and losses of both directions.

mod direction;

use std::net::UdpSocket;
use std::os::fd::{AsFd, BorrowedFd};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use direction::{Direction, Spec};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

/// Bytes of the largest packet.
const PACKET_BYTES_MAX: usize = 65_535;
/// Packets taken from one device before the other has its turn.
const BATCH_MAX: usize = 32;
/// How long nothing has to happen before the loop looks around anyway.
const IDLE: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("emulated-link: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let mut spec = Spec::default();
    let mut control = None;
    for argument in std::env::args().skip(1) {
        match argument.split_once('=') {
            Some(("control", port)) => {
                let socket = UdpSocket::bind(("127.0.0.1", port.parse().map_err(|_| format!("no port: {port}"))?));
                control = Some(socket.map_err(|error| error.to_string())?);
            }
            Some((key, value)) => spec.set(key, value)?,
            None => return Err(format!("{argument} is not KEY=VALUE")),
        }
    }
    let control = control.ok_or("control=PORT is missing")?;
    control.set_nonblocking(true).map_err(|error| error.to_string())?;
    let now = Instant::now();
    let mut directions = [Direction::new(&spec, 1, now), Direction::new(&spec, 2, now)];
    let devices = [rustix::stdio::stdin(), rustix::stdio::stdout()];
    let mut buffer = vec![0; PACKET_BYTES_MAX];
    loop {
        let now = Instant::now();
        for (at, direction) in directions.iter_mut().enumerate() {
            while let Some(packet) = direction.arrived(now) {
                // A device that is full or down drops the packet, as a host would.
                let _ = rustix::io::write(devices[1 - at], &packet);
            }
        }
        let next = directions.iter().filter_map(Direction::next).min();
        let wait = next.map_or(IDLE, |due| due.saturating_duration_since(Instant::now()));
        let timeout = Timespec { tv_sec: wait.as_secs() as _, tv_nsec: wait.subsec_nanos().into() };
        let mut fds = [
            PollFd::new(&devices[0], PollFlags::IN),
            PollFd::new(&devices[1], PollFlags::IN),
            PollFd::from_borrowed_fd(control.as_fd(), PollFlags::IN),
        ];
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.to_string()),
        }
        let ready = [0, 1, 2].map(|at| fds[at].revents().contains(PollFlags::IN));
        for at in [0, 1] {
            if ready[at] {
                take_in(devices[at], &mut directions[at], &mut buffer);
            }
        }
        if ready[2] {
            obey(&control, &mut directions);
        }
    }
}

fn take_in(device: BorrowedFd<'_>, direction: &mut Direction, buffer: &mut [u8]) {
    let now = Instant::now();
    for _ in 0..BATCH_MAX {
        match rustix::io::read(device, &mut *buffer) {
            Ok(length) if length > 0 => direction.admit(now, &buffer[..length]),
            _ => return,
        }
    }
}

fn obey(control: &UdpSocket, directions: &mut [Direction; 2]) {
    let mut order = [0; 64];
    while let Ok((length, from)) = control.recv_from(&mut order) {
        let text = String::from_utf8_lossy(&order[..length]).into_owned();
        let words: Vec<&str> = text.split_whitespace().collect();
        let answer = match words.as_slice() {
            ["cut"] => directions.iter_mut().map(|direction| direction.cut(true)).fold(String::from("ok"), |ok, ()| ok),
            ["mend"] => {
                directions.iter_mut().map(|direction| direction.cut(false)).fold(String::from("ok"), |ok, ()| ok)
            }
            ["rate", bits] => match bits.parse() {
                Ok(bits) => {
                    directions.iter_mut().for_each(|direction| direction.set_rate(bits));
                    "ok".to_owned()
                }
                Err(_) => "no rate".to_owned(),
            },
            ["mtu", bytes] => match bytes.parse() {
                Ok(bytes) => {
                    directions.iter_mut().for_each(|direction| direction.set_mtu(bytes));
                    "ok".to_owned()
                }
                Err(_) => "no size".to_owned(),
            },
            ["stats"] => format!("{} {}", directions[0].stats(), directions[1].stats()),
            _ => "unknown".to_owned(),
        };
        let _ = control.send_to(answer.as_bytes(), from);
    }
}
