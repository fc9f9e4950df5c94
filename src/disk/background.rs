//! Background work: it is counted, waits for its turn, and lets other work go first.
//!
//! A [`Lane`] is a budget of work, and does one piece of blocking work at a time. The future that [`Lane::run`] runs, and each piece of blocking work that it starts through
//! [`blocking`](super::blocking) or [`turn`], is charged to the lane by the time it takes. A lane that has spent its budget waits
//! while other work goes first. Time in which the future waits for the network is neither charged nor held against others.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

tokio::task_local! {
    /// The lane that the present task works for; other tasks have none.
    static LANE: Arc<Lane>;
}

/// How often a lane that waits checks whether other work still goes first.
const LOOK: Duration = Duration::from_millis(20);

/// How much work a lane may do.
#[derive(Debug, Clone, Copy)]
pub struct Allowance {
    /// Work that is done without waiting.
    pub burst: Duration,
    /// One part in so many of the time is given back: the share of one thread that work beyond `burst` gets.
    pub one_in: u32,
    /// How long each piece waits for a model that is frozen meanwhile.
    pub freeze_patience: Duration,
    /// The longest wait for the budget, however much was spent.
    pub wait_max: Duration,
}

/// Other work that goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ahead {
    Nothing,
    /// A migration is under way.
    Migration,
    /// A model is frozen, or about to be activated.
    Freeze,
}

/// A budget of work; see the module.
pub struct Lane {
    allowance: Allowance,
    turns: Arc<Semaphore>,
    /// Shared by all lanes: work beyond a budget is done one piece at a time.
    spare: Arc<Semaphore>,
    account: Mutex<Account>,
    ahead: Box<dyn Fn() -> Ahead + Send + Sync>,
}

struct Account {
    /// Work done and not given back.
    spent: Duration,
    /// Up to when `spent` was given back.
    since: Instant,
}

impl std::fmt::Debug for Lane {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lane({:?})", self.allowance)
    }
}

/// The right to do one piece of work. Dropping it charges the time since it was got.
#[derive(Debug)]
pub struct Turn {
    lane: Arc<Lane>,
    begun: Instant,
    _own: OwnedSemaphorePermit,
    _spare: Option<OwnedSemaphorePermit>,
}

impl Turn {
    /// Charges the lane from now on.
    pub fn begin(mut self) -> Self {
        self.begun = Instant::now();
        self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.lane.charge(self.begun.elapsed());
    }
}

/// Waits for the turn of the present task's lane; returns `None` at once in a task that works for no lane.
pub async fn turn() -> Option<Turn> {
    let lane = LANE.try_with(Arc::clone).ok()?;
    Some(lane.turn().await)
}

impl Lane {
    /// Creates a lane with its whole budget.
    ///
    /// `spare`: of one permit, shared by all lanes. `ahead`: reports what goes first; must not block.
    pub fn new(
        allowance: Allowance,
        spare: Arc<Semaphore>,
        ahead: impl Fn() -> Ahead + Send + Sync + 'static,
    ) -> Arc<Self> {
        let turns = Arc::new(Semaphore::new(1));
        let account = Mutex::new(Account { spent: Duration::ZERO, since: Instant::now() });
        Arc::new(Self { allowance, turns, spare, account, ahead: Box::new(ahead) })
    }

    /// Runs a future in the background, once the lane has budget for it.
    pub async fn run<T>(self: Arc<Self>, work: impl Future<Output = T>) -> T {
        self.budget().await;
        let lane = self.clone();
        LANE.scope(self, charged(lane, work)).await
    }

    async fn turn(self: Arc<Self>) -> Turn {
        let own = self.turns.clone().acquire_owned().await.expect("it is never closed");
        self.defrosted().await;
        let spare = match self.budget().await {
            true => None,
            false => Some(self.spare.clone().acquire_owned().await.expect("it is never closed")),
        };
        Turn { lane: self, begun: Instant::now(), _own: own, _spare: spare }
    }

    /// Waits until the lane has budget, or nothing goes first. Reports whether it had budget at once.
    async fn budget(&self) -> bool {
        let mut wait = self.wait();
        let had = wait.is_zero();
        while !wait.is_zero() && (self.ahead)() > Ahead::Nothing {
            tokio::time::sleep(wait.min(LOOK)).await;
            wait = self.wait();
        }
        had
    }

    /// Waits until no model is frozen, but no longer than the lane's patience.
    async fn defrosted(&self) {
        let patience = Instant::now() + self.allowance.freeze_patience;
        while Instant::now() < patience && (self.ahead)() == Ahead::Freeze {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Returns how long it takes until so much is given back that the lane has budget.
    fn wait(&self) -> Duration {
        let mut account = self.account.lock();
        account.give_back(self.allowance.one_in);
        account.spent.saturating_sub(self.allowance.burst) * self.allowance.one_in
    }

    fn charge(&self, took: Duration) {
        let Allowance { burst, one_in, wait_max, .. } = self.allowance;
        let mut account = self.account.lock();
        account.give_back(one_in);
        account.spent = (account.spent + took).min(burst + wait_max / one_in);
    }
}

impl Account {
    fn give_back(&mut self, one_in: u32) {
        let now = Instant::now();
        self.spent = self.spent.saturating_sub(now.duration_since(self.since) / one_in);
        self.since = now;
    }
}

/// Charges the time that polling a future takes.
async fn charged<T>(lane: Arc<Lane>, work: impl Future<Output = T>) -> T {
    let mut work = pin!(work);
    std::future::poll_fn(move |context: &mut Context<'_>| poll(&lane, work.as_mut(), context)).await
}

fn poll<T>(lane: &Lane, work: Pin<&mut impl Future<Output = T>>, context: &mut Context<'_>) -> Poll<T> {
    let begun = Instant::now();
    let polled = work.poll(context);
    lane.charge(begun.elapsed());
    polled
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering::SeqCst};

    use super::*;

    const STEP: Duration = Duration::from_millis(10);
    const ALLOWANCE: Allowance = Allowance {
        burst: Duration::from_millis(200),
        one_in: 20,
        freeze_patience: Duration::from_secs(1),
        wait_max: Duration::from_secs(60),
    };

    /// What goes first, as a test sets it.
    #[derive(Clone, Default)]
    struct Others(Arc<AtomicU8>);

    impl Others {
        fn are(&self, ahead: Ahead) {
            self.0.store(ahead as u8, SeqCst);
        }

        fn lane(&self, spare: &Arc<Semaphore>) -> Arc<Lane> {
            let others = self.0.clone();
            Lane::new(ALLOWANCE, spare.clone(), move || match others.load(SeqCst) {
                0 => Ahead::Nothing,
                1 => Ahead::Migration,
                _ => Ahead::Freeze,
            })
        }
    }

    /// Does pieces of work of one step each, for ever, and counts them in `done`.
    fn flood(lane: &Arc<Lane>, done: &Arc<AtomicUsize>) {
        let (lane, done) = (lane.clone(), done.clone());
        tokio::spawn(async move {
            loop {
                lane.clone()
                    .run(async {
                        let _turn = turn().await;
                        tokio::time::sleep(STEP).await;
                        done.fetch_add(1, SeqCst);
                    })
                    .await;
            }
        });
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_that_has_spent_its_budget_does_one_part_in_twenty_while_a_migration_runs_and_all_once_it_has_ended()
    {
        let (others, done) = (Others::default(), Arc::new(AtomicUsize::new(0)));
        others.are(Ahead::Migration);
        let lane = others.lane(&Arc::new(Semaphore::new(1)));
        (0..8).for_each(|_| flood(&lane, &done));
        // The burst, and what is given back meanwhile.
        tokio::time::sleep(Duration::from_secs(1)).await;
        let first = done.load(SeqCst);
        assert!((20..=26).contains(&first), "{first}");
        // Between two steps of a migration, 200 ms apart: one piece of work, or two at a border.
        for _ in 0..100 {
            let before = done.load(SeqCst);
            tokio::time::sleep(Duration::from_millis(200)).await;
            assert!(done.load(SeqCst) - before <= 2);
        }
        let paced = done.load(SeqCst) - first;
        assert!((90..=110).contains(&paced), "{paced} steps of 10 ms in 20 s");
        others.are(Ahead::Nothing);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let free = done.load(SeqCst) - first - paced;
        assert!(free >= 95, "{free}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_lane_with_budget_never_waits_for_one_without_and_those_without_work_one_at_a_time() {
        let (others, spare) = (Others::default(), Arc::new(Semaphore::new(1)));
        let spent: Vec<Arc<Lane>> = (0..5).map(|_| others.lane(&spare)).collect();
        spent.iter().for_each(|lane| lane.charge(Duration::from_secs(3)));
        let (at_once, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        for lane in spent.iter().cycle().take(50) {
            let (lane, at_once, most) = (lane.clone(), at_once.clone(), most.clone());
            tokio::spawn(lane.run(async move {
                let _turn = turn().await;
                most.fetch_max(at_once.fetch_add(1, SeqCst) + 1, SeqCst);
                tokio::time::sleep(STEP).await;
                at_once.fetch_sub(1, SeqCst);
            }));
        }
        tokio::time::sleep(STEP / 2).await;
        assert_eq!(at_once.load(SeqCst), 1);
        let begun = Instant::now();
        drop(others.lane(&spare).run(turn()).await.expect("it works for a lane"));
        assert_eq!(begun.elapsed(), Duration::ZERO);
        tokio::time::sleep(STEP * 60).await;
        assert_eq!((at_once.load(SeqCst), most.load(SeqCst)), (0, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn work_waits_for_a_frozen_model_but_not_for_ever() {
        let (others, spare) = (Others::default(), Arc::new(Semaphore::new(1)));
        others.are(Ahead::Freeze);
        let lane = others.lane(&spare);
        let begun = Instant::now();
        lane.clone().run(turn()).await;
        assert_eq!(begun.elapsed(), ALLOWANCE.freeze_patience);
        let thawing = others.clone();
        tokio::spawn(async move {
            tokio::time::sleep(STEP * 5).await;
            thawing.are(Ahead::Migration);
        });
        let begun = Instant::now();
        lane.run(turn()).await;
        assert!(begun.elapsed() <= STEP * 7, "{:?}", begun.elapsed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_budget_is_waited_for_no_longer_than_a_minute() {
        let others = Others::default();
        others.are(Ahead::Migration);
        let lane = others.lane(&Arc::new(Semaphore::new(1)));
        lane.charge(Duration::from_secs(3600));
        let begun = Instant::now();
        lane.run(async {}).await;
        assert_eq!(begun.elapsed(), ALLOWANCE.wait_max);
    }

    #[tokio::test]
    async fn work_for_no_lane_takes_no_turn() {
        assert!(turn().await.is_none());
    }
}
