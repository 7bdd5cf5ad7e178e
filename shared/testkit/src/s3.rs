use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioExecutor, TokioIo};
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::files;

/// A server that speaks the S3 protocol, signatures checked, over a folder of its own; with faults
/// to order. It ends when it goes out of scope.
pub struct S3Server {
    address: SocketAddr,
    folder: TempDir,
    orders: Arc<Mutex<Orders>>,
    task: JoinHandle<()>,
}

/// What is wrong with the server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum S3Fault {
    /// It answers 500 to everything.
    Broken,
    /// It answers after this time.
    Slow(Duration),
    /// Answers with objects break off in their middle, and so do requests that bring some.
    Cut,
    /// It takes nothing more.
    Full,
    /// It does what is asked, and answers 500.
    Forgetful,
}

#[derive(Default)]
struct Orders {
    fault: Option<S3Fault>,
    /// Requests that the fault is for; all unless given.
    left: Option<u32>,
    seen: Vec<String>,
}

type Body = UnsyncBoxBody<Bytes, std::io::Error>;

impl S3Server {
    /// The bucket that there is.
    pub const BUCKET: &str = "documents";
    /// Who may use it.
    pub const ACCESS_KEY: &str = "carerecord-tests";
    /// By which it signs.
    pub const SECRET: &str = "not-a-secret-of-anybody";

    /// Starts one.
    #[expect(clippy::disallowed_methods, reason = "it ends with the test that started it")]
    pub async fn start() -> Self {
        crate::install_crypto();
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join(Self::BUCKET)).unwrap();
        let mut builder = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        builder.set_auth(SimpleAuth::from_single(Self::ACCESS_KEY, Self::SECRET));
        let service = builder.build();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let orders = Arc::new(Mutex::new(Orders::default()));
        let shared = orders.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (service, orders) = (service.clone(), shared.clone());
                tokio::spawn(async move {
                    let answer = hyper::service::service_fn(move |request| {
                        answer(service.clone(), orders.clone(), request)
                    });
                    let server = hyper_util::server::conn::auto::Builder::new(TokioExecutor::new());
                    // A client that goes away is no matter of the test's.
                    let _ = server.serve_connection(TokioIo::new(socket), answer).await;
                });
            }
        });
        Self { address, folder, orders, task }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Orders a fault, until `repair`.
    pub fn fail(&self, fault: S3Fault) {
        self.order(Some(fault), None);
    }

    /// Orders a fault for so many requests.
    pub fn fail_times(&self, fault: S3Fault, requests: u32) {
        self.order(Some(fault), Some(requests));
    }

    /// Ends a fault.
    pub fn repair(&self) {
        self.order(None, None);
    }

    /// What has been asked: method, and what of the query tells operations apart.
    pub fn seen(&self) -> Vec<String> {
        self.orders.lock().unwrap().seen.clone()
    }

    /// The files that hold the objects.
    pub fn objects(&self) -> Vec<PathBuf> {
        files(&self.folder.path().join(Self::BUCKET))
    }

    fn order(&self, fault: Option<S3Fault>, left: Option<u32>) {
        let mut orders = self.orders.lock().unwrap();
        (orders.fault, orders.left) = (fault, left);
    }
}

impl Drop for S3Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(
    service: S3Service,
    orders: Arc<Mutex<Orders>>,
    request: Request<Incoming>,
) -> Result<Response<Body>, std::io::Error> {
    let fault = orders.lock().unwrap().take(&request);
    let method = request.method().clone();
    match fault {
        Some(S3Fault::Broken) => {
            return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"));
        }
        Some(S3Fault::Full) if method == Method::PUT || method == Method::POST => {
            return Ok(refusal(StatusCode::INSUFFICIENT_STORAGE, "XMinioStorageFull"));
        }
        // An error instead of an answer ends the connection.
        Some(S3Fault::Cut) if method == Method::PUT => {
            let mut body = request.into_body();
            let _ = body.frame().await;
            return Err(std::io::Error::other("as ordered"));
        }
        Some(S3Fault::Slow(time)) => tokio::time::sleep(time).await,
        Some(S3Fault::Full | S3Fault::Cut | S3Fault::Forgetful) | None => {}
    }
    let cut = fault == Some(S3Fault::Cut) && method == Method::GET;
    let answer = service.call(request.map(s3s::Body::from)).await;
    let answer = answer.map_err(|e| std::io::Error::other(format!("{e:?}")))?;
    if fault == Some(S3Fault::Forgetful) {
        return Ok(refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError"));
    }
    let (head, body) = answer.into_parts();
    let body = body.map_err(broken);
    Ok(Response::from_parts(head, if cut { half(body).await } else { body.boxed_unsync() }))
}

impl Orders {
    fn take(&mut self, request: &Request<Incoming>) -> Option<S3Fault> {
        let query = request.uri().query().unwrap_or_default();
        let told = ["uploads", "uploadId", "list-type"].into_iter().find(|n| query.contains(n));
        self.seen.push(format!("{} {}", request.method(), told.unwrap_or("object")));
        match &mut self.left {
            Some(0) => return None,
            Some(left) => *left -= 1,
            None => {}
        }
        self.fault
    }
}

fn broken(error: Box<dyn std::error::Error + Send + Sync>) -> std::io::Error {
    std::io::Error::other(error)
}

/// The first half of a body, and then the end of the connection.
async fn half<B>(body: B) -> Body
where
    B: hyper::body::Body<Data = Bytes, Error = std::io::Error> + Send + 'static,
{
    let whole = body.collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let first = whole.slice(..whole.len() / 2);
    let frames = stream::iter([Ok(Frame::data(first))]).chain(stream::once(async {
        // What was sent has left before the connection ends.
        tokio::time::sleep(Duration::from_millis(20)).await;
        Err(std::io::Error::other("as ordered"))
    }));
    StreamBody::new(frames).boxed_unsync()
}

fn refusal(status: StatusCode, code: &str) -> Response<Body> {
    let text = format!("<Error><Code>{code}</Code><Message>as ordered</Message></Error>");
    let never = |e: Infallible| match e {};
    let mut answer = Response::new(Full::new(Bytes::from(text)).map_err(never).boxed_unsync());
    *answer.status_mut() = status;
    answer
}
