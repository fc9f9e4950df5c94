//! Sends a read-only request to a peer's control socket.

use modelferry_protocol::codec::Text;
use modelferry_protocol::plan::{Answer, Question};

use crate::engine::base::error::EngineError;
use crate::engine::base::packed;
use crate::engine::shared::core::Core;
use crate::engine::shared::engine::Engine;

impl Engine {
    /// Asks a peer's control socket something that only reads.
    ///
    /// Errors: [`EngineError`] if the peer cannot be asked, or refuses.
    pub async fn query(&self, peer: &str, json: &str) -> Result<String, EngineError> {
        let mut reach = self.reach(peer).await?;
        let failed = |text: String| EngineError::Peer { peer: peer.to_owned(), text };
        let question = Text::new(json).map_err(|error| failed(format!("the question is too long: {error}")))?;
        let answer = loop {
            let asking = async { Ok(reach.conversation.ask(Question::Query(question.clone())).await?) };
            match reach.hear(asking).await {
                Err(EngineError::Unanswered(closed)) => reach.again(closed).await?,
                answered => break answered?,
            }
        };
        match answer {
            Answer::Json(bytes) => {
                let text = Core::blocking(move || packed::unpack(&bytes)).await;
                text.map_err(|error| {
                    tracing::error!(peer, "an answer cannot be read: {error}");
                    failed("its answer cannot be read; run the same version of modelferry on both hosts".to_owned())
                })
            }
            Answer::Failed(text) => Err(failed(text.into_string())),
            _ => Err(failed("it answered another question".into())),
        }
    }
}
