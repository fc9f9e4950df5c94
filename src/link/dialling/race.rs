//! Runs attempts in a staggered race ("happy eyeballs", RFC 8305), so that an unanswered attempt does not delay the
//! others.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

/// Default delay before the next attempt starts. RFC 8305 recommends 250 ms.
pub(super) const HEAD_START: Duration = Duration::from_millis(250);

/// Returns the result of the first successful attempt and drops the others. Starts the next attempt after `head_start`,
/// or as soon as one fails.
///
/// Errors: the failures of all attempts.
pub(in crate::link) async fn race<T: Send + 'static, E: Send + 'static>(
    attempts: impl IntoIterator<Item = impl Future<Output = Result<T, E>> + Send + 'static>,
    head_start: Duration,
) -> Result<T, Vec<E>> {
    let mut attempts = attempts.into_iter().fuse().peekable();
    let (mut running, mut failures) = (JoinSet::new(), Vec::new());
    loop {
        if let Some(attempt) = attempts.next() {
            running.spawn(attempt);
        }
        if running.is_empty() {
            return Err(failures);
        }
        let are_more = attempts.peek().is_some();
        tokio::select! {
            biased;
            Some(ended) = running.join_next() => match ended {
                Ok(Ok(first)) => return Ok(first),
                Ok(Err(failure)) => failures.push(failure),
                Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
            },
            () = sleep(head_start), if are_more => {}
        }
    }
}

/// Orders addresses so that IPv6 and IPv4 alternate, because often all addresses of one family fail together.
pub(in crate::link) fn alternate(addresses: impl IntoIterator<Item = SocketAddr>) -> Vec<SocketAddr> {
    let addresses: Vec<SocketAddr> = addresses.into_iter().collect();
    let begins_with_six = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut first, mut second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == begins_with_six);
    let (mut turns, longer) = (Vec::new(), first.len().max(second.len()));
    for _ in 0..longer {
        turns.extend((!first.is_empty()).then(|| first.remove(0)));
        turns.extend((!second.is_empty()).then(|| second.remove(0)));
    }
    turns
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    type Attempt = std::pin::Pin<Box<dyn Future<Output = Result<u8, u8>> + Send>>;

    fn silent() -> Attempt {
        Box::pin(std::future::pending())
    }

    fn after(ms: u64, outcome: Result<u8, u8>) -> Attempt {
        Box::pin(async move {
            sleep(Duration::from_millis(ms)).await;
            outcome
        })
    }

    /// Regression: pairing waited ten seconds for a dead IPv6 address.
    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_gets_no_answer_holds_up_none_of_the_others() {
        let begun = Instant::now();
        assert_eq!(race([silent(), silent(), after(50, Ok(3))], HEAD_START).await, Ok(3));
        assert_eq!(begun.elapsed(), 2 * HEAD_START + Duration::from_millis(50));
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_attempt_begins_as_soon_as_one_has_failed() {
        let begun = Instant::now();
        assert_eq!(race([after(10, Err(1)), after(10, Ok(2)), after(0, Ok(3))], HEAD_START).await, Ok(2));
        assert_eq!(begun.elapsed(), Duration::from_millis(20));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_answers_in_time_is_the_only_one() {
        let begun = Instant::now();
        assert_eq!(race([after(249, Ok(1)), after(0, Ok(2))], HEAD_START).await, Ok(1));
        assert_eq!(begun.elapsed(), Duration::from_millis(249));
    }

    #[tokio::test(start_paused = true)]
    async fn what_all_have_failed_with_is_told_once_all_have() {
        assert_eq!(race([after(900, Err(1)), after(10, Err(2))], HEAD_START).await, Err(vec![2, 1]));
        assert_eq!(race(Vec::<Attempt>::new(), HEAD_START).await, Err(vec![]));
    }

    #[test]
    fn the_two_families_take_turns() {
        let of = |text: &[&str]| text.iter().map(|address| address.parse().unwrap()).collect::<Vec<SocketAddr>>();
        let found = of(&["[2001:db8::1]:1", "[2001:db8::2]:1", "[2001:db8::3]:1", "192.0.2.1:1", "192.0.2.2:1"]);
        let turns = of(&["[2001:db8::1]:1", "192.0.2.1:1", "[2001:db8::2]:1", "192.0.2.2:1", "[2001:db8::3]:1"]);
        assert_eq!(alternate(found), turns);
    }
}
