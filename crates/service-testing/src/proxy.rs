use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A TCP link that a test can cut and mend, between a client and a server that goes on running.
#[derive(Debug)]
pub struct LinkProxy {
    address: SocketAddr,
    open: Arc<AtomicBool>,
    accepted: Arc<AtomicUsize>,
    generation: watch::Sender<u64>,
    task: tokio::task::JoinHandle<()>,
}

impl LinkProxy {
    /// Listens on a free port and forwards to `target` (`host:port`).
    ///
    /// # Panics
    /// When no port can be bound.
    pub async fn to(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("free port");
        let address = listener.local_addr().expect("bound");
        let open = Arc::new(AtomicBool::new(true));
        let accepted = Arc::new(AtomicUsize::new(0));
        let (generation, cuts) = watch::channel(0);
        let (let_in, count) = (open.clone(), accepted.clone());
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if !let_in.load(Ordering::SeqCst) {
                    reset(client);
                    continue;
                }
                count.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(forward(client, target.clone(), cuts.clone()));
            }
        });
        Self {
            address,
            open,
            accepted,
            generation,
            task,
        }
    }

    /// A link to the broker, and the broker's address through it.
    ///
    /// # Panics
    /// When `AMQP_URL` has no host.
    pub async fn to_broker() -> (Self, String) {
        let mut url = url::Url::parse(&crate::amqp_url()).expect("address");
        let host = url.host_str().expect("host").to_owned();
        let proxy = Self::to(format!("{host}:{}", url.port().unwrap_or(5672))).await;
        url.set_host(Some("127.0.0.1")).expect("host");
        url.set_port(Some(proxy.address.port())).expect("port");
        (proxy, url.to_string())
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections were let in so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Resets every connection; new ones are accepted at once.
    pub fn cut(&self) {
        self.generation.send_modify(|generation| *generation += 1);
    }

    /// Resets every connection and refuses new ones until [`mend`](Self::mend).
    pub fn close(&self) {
        self.open.store(false, Ordering::SeqCst);
        self.cut();
    }

    /// Lets connections in again.
    pub fn mend(&self) {
        self.open.store(true, Ordering::SeqCst);
    }
}

impl Drop for LinkProxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn forward(mut client: TcpStream, target: String, mut cuts: watch::Receiver<u64>) {
    cuts.mark_unchanged();
    let Ok(mut server) = TcpStream::connect(target).await else {
        return;
    };
    let cut = tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => false,
        _ = cuts.changed() => true,
    };
    if cut {
        reset(client);
        reset(server);
    }
}

/// Ends a connection with RST, as a crash or a broken link does.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}
