//! A cable between two servers: TCP, passed on byte by byte, until it is cut.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// Which way bytes go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// To the server that is connected to.
    Out,
    /// From it.
    Back,
}

#[derive(Debug, Default)]
struct State {
    /// How many bytes have passed, out and back.
    passed: [u64; 2],
    /// How many more may pass in a direction before all connections break.
    cut: Option<(Way, u64)>,
    /// Bytes that pass at once, and the pause after them.
    slow: Option<(usize, Duration)>,
    connections: usize,
}

impl State {
    fn passed(&mut self, way: Way) -> &mut u64 {
        &mut self.passed[usize::from(way == Way::Back)]
    }
}

/// Connections to a server, as long as this is there.
pub(super) struct Cable {
    address: String,
    state: Arc<Mutex<State>>,
    cuts: watch::Sender<u64>,
    taking: JoinHandle<()>,
}

impl Cable {
    pub(super) async fn to(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state: Arc<Mutex<State>> = Arc::default();
        let (cuts, _) = watch::channel(0);
        let taking = tokio::spawn(take(
            listener,
            server.to_owned(),
            Arc::clone(&state),
            cuts.clone(),
        ));
        Self {
            address,
            state,
            cuts,
            taking,
        }
    }

    /// The argument with which a server knows the other end as `origin`.
    pub(super) fn origin(&self) -> String {
        format!("--remote=origin=grpc://{}", self.address)
    }

    /// Breaks all connections once so many more bytes have passed in a direction. Later ones are whole.
    pub(super) fn cut_after(&self, way: Way, bytes: u64) {
        self.state.lock().unwrap().cut = Some((way, bytes));
    }

    /// Does not cut after all.
    pub(super) fn mend(&self) {
        let mut state = self.state.lock().unwrap();
        (state.cut, state.slow) = (None, None);
    }

    /// Breaks all connections.
    pub(super) fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// Lets only so many bytes pass at once, with a pause after them.
    pub(super) fn slow_down(&self, bytes: usize, pause: Duration) {
        self.state.lock().unwrap().slow = Some((bytes, pause));
    }

    /// How many bytes have passed in a direction.
    pub(super) fn passed(&self, way: Way) -> u64 {
        *self.state.lock().unwrap().passed(way)
    }

    pub(super) fn connections(&self) -> usize {
        self.state.lock().unwrap().connections
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.taking.abort();
        self.cut();
    }
}

async fn take(
    listener: TcpListener,
    server: String,
    state: Arc<Mutex<State>>,
    cuts: watch::Sender<u64>,
) {
    while let Ok((near, _)) = listener.accept().await {
        let Ok(far) = TcpStream::connect(&server).await else {
            continue;
        };
        tokio::spawn(join(near, far, Arc::clone(&state), cuts.clone()));
    }
}

/// Passes on what two ends say to each other, until one of them ends or the cable is cut.
async fn join(near: TcpStream, far: TcpStream, state: Arc<Mutex<State>>, cuts: watch::Sender<u64>) {
    for end in [&near, &far] {
        end.set_nodelay(true).unwrap();
    }
    state.lock().unwrap().connections += 1;
    let mut cut = cuts.subscribe();
    let ((near_read, near_write), (far_read, far_write)) = (near.into_split(), far.into_split());
    tokio::select! {
        _ = cut.changed() => {}
        () = pass(Way::Out, near_read, far_write, &state, &cuts) => {}
        () = pass(Way::Back, far_read, near_write, &state, &cuts) => {}
    }
    state.lock().unwrap().connections -= 1;
}

async fn pass(
    way: Way,
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    state: &Mutex<State>,
    cuts: &watch::Sender<u64>,
) {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let slow = state.lock().unwrap().slow;
        let room = slow.map_or(buffer.len(), |(bytes, _)| bytes.min(buffer.len()));
        let Ok(read @ 1..) = from.read(&mut buffer[..room]).await else {
            return;
        };
        let (may, ends) = {
            let mut state = state.lock().unwrap();
            let (may, ends) = match &mut state.cut {
                Some((cut, left)) if *cut == way => {
                    let may = read.min(usize::try_from(*left).unwrap());
                    *left -= may as u64;
                    (may, *left == 0)
                }
                _ => (read, false),
            };
            if ends {
                state.cut = None;
            }
            *state.passed(way) += may as u64;
            (may, ends)
        };
        if to.write_all(&buffer[..may]).await.is_err() {
            return;
        }
        if ends {
            cuts.send_modify(|cuts| *cuts += 1);
            return;
        }
        if let Some((_, pause)) = slow {
            tokio::time::sleep(pause).await;
        }
    }
}
