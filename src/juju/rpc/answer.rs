//! Answers HTTP requests: WebSockets for the API and for streams, uploads, health.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONNECTION, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use hyper::upgrade::OnUpgrade;
use hyper::{HeaderMap, Method, Request, Response, StatusCode};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::connection;
use super::guests::Guest;
use super::refusal::shown;
use super::service::{Connection, Service};
use super::streams;
use crate::juju::http::{HttpReply, HttpRequest, RequestHead, Route};
use crate::juju::wire::error::{ErrorCode, RpcError};
use crate::juju::wire::limits::MESSAGE_BYTES_MAX;
use crate::juju::wire::socket::{self, Socket};

/// Time in which the rest of a refused upload is read, so that its sender gets to see the refusal.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Answers requests for one service.
#[derive(Clone)]
pub(super) struct Answerer {
    service: Arc<dyn Service>,
    tasks: TaskTracker,
}

impl Answerer {
    pub fn new(service: Arc<dyn Service>, tasks: TaskTracker) -> Self {
        Self { service, tasks }
    }

    /// Answers one request of `guest`.
    pub async fn answer(
        &self,
        peer: SocketAddr,
        guest: Arc<Guest>,
        request: Request<Incoming>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let (mut parts, body) = request.into_parts();
        let head = RequestHead::of(peer, &parts);
        let upgrade = parts.extensions.remove::<OnUpgrade>();
        let reply = match &head.route {
            Route::Health => self.health(&head).await,
            Route::Api(scope) => {
                let connection = Connection { peer, scope: scope.clone() };
                let service = self.service.clone();
                self.upgrade(&head, upgrade, move |socket| connection::serve(socket, service, connection, guest))
            }
            Route::ModelLog(_) | Route::LogTransfer => match self.authorize(&head, &guest).await {
                Ok(()) => {
                    let (service, stream_head) = (self.service.clone(), head.clone());
                    self.upgrade(&head, upgrade, move |socket| streams::serve(socket, service, stream_head, guest))
                }
                Err(reply) => reply,
            },
            _ if self.service.is_open(&head) => self.upload(head, body).await,
            _ => match self.authorize(&head, &guest).await {
                Ok(()) => self.upload(head, body).await,
                Err(reply) => reply,
            },
        };
        let mut response = Response::new(Full::new(Bytes::from(reply.body)));
        *response.status_mut() = reply.status;
        *response.headers_mut() = reply.headers;
        Ok(response)
    }

    async fn health(&self, head: &RequestHead) -> HttpReply {
        if head.method != Method::GET {
            return HttpReply::text(StatusCode::METHOD_NOT_ALLOWED, "unsupported method\n");
        }
        if self.service.healthy().await {
            HttpReply::text(StatusCode::OK, "running\n")
        } else {
            HttpReply::text(StatusCode::SERVICE_UNAVAILABLE, "starting\n")
        }
    }

    /// Lets a sender pass, who is no stranger then; else gives the text that Juju refuses with.
    async fn authorize(&self, head: &RequestHead, guest: &Guest) -> Result<(), HttpReply> {
        if let Err(error) = self.service.authorize(head).await {
            log_refused(head, &error);
            let status = StatusCode::from_u16(error.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let text = match error.code {
                ErrorCode::Unauthorized | ErrorCode::NoCredentials => format!("authentication failed: {error}"),
                ErrorCode::Forbidden => format!("authorization failed: {error}"),
                _ => error.message,
            };
            return Err(HttpReply::text(status, text + "\n"));
        }
        if guest.become_client() {
            Ok(())
        } else {
            Err(HttpReply::text(StatusCode::SERVICE_UNAVAILABLE, "too many connections; try again\n"))
        }
    }

    async fn upload(&self, head: RequestHead, body: Incoming) -> HttpReply {
        let of_charm = matches!(head.route, Route::MigrateCharm { .. });
        let mut request = HttpRequest::new(head, body);
        match self.service.http(&mut request).await {
            Ok(reply) => reply,
            Err(error) => {
                log_refused(&request.head, &error);
                let _ = timeout(DRAIN_TIMEOUT, drain(&mut request)).await;
                if of_charm { HttpReply::charm_error(&error) } else { HttpReply::error(&error) }
            }
        }
    }

    /// Answers with 101 and hands the WebSocket to `serve`, in a task of its own.
    fn upgrade<F, T>(&self, head: &RequestHead, upgrade: Option<OnUpgrade>, serve: F) -> HttpReply
    where
        F: FnOnce(Socket) -> T + Send + 'static,
        T: Future<Output = ()> + Send + 'static,
    {
        let (Some(key), Some(upgrade)) = (websocket_key(head), upgrade) else {
            return HttpReply::text(StatusCode::BAD_REQUEST, "Bad Request\n");
        };
        self.tasks.spawn(async move {
            if let Ok(upgraded) = upgrade.await {
                serve(socket::accept(upgraded).await).await;
            }
        });
        let mut headers = HeaderMap::new();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        if let Ok(accept) = HeaderValue::from_str(&derive_accept_key(key.as_bytes())) {
            headers.insert(SEC_WEBSOCKET_ACCEPT, accept);
        }
        HttpReply { status: StatusCode::SWITCHING_PROTOCOLS, headers, body: Vec::new() }
    }
}

fn log_refused(head: &RequestHead, error: &RpcError) {
    let route = shown(&format!("{:?}", head.route));
    info!(peer = %head.peer, route, error = ?shown(&error.to_string()), "an HTTP request was refused");
}

/// Returns the key of a request that asks for a WebSocket. Extensions that it offers are not taken up.
fn websocket_key(head: &RequestHead) -> Option<HeaderValue> {
    let has = |name: &str, word: &str| {
        head.headers
            .get_all(name)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .any(|text| text.split(',').any(|part| part.trim().eq_ignore_ascii_case(word)))
    };
    let asked = head.method == Method::GET
        && has(CONNECTION.as_str(), "upgrade")
        && has(UPGRADE.as_str(), "websocket")
        && has(SEC_WEBSOCKET_VERSION.as_str(), "13");
    head.headers.get(SEC_WEBSOCKET_KEY).filter(|_| asked).cloned()
}

async fn drain(request: &mut HttpRequest) -> Result<(), RpcError> {
    let mut left = MESSAGE_BYTES_MAX;
    while let Some(chunk) = request.chunk().await? {
        left = left.saturating_sub(chunk.len());
        if left == 0 {
            break;
        }
    }
    Ok(())
}
