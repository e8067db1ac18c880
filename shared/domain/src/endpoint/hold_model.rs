//! A model of everything that touches a hold, on the rules of [`super::hold`] and [`crate::recovery`]: fan-out, attempts,
//! probes, recoveries and the owner's requests, in random order. Any of them may end between two steps, messages come twice
//! or again, answers are lost, and what an invocation knows of the endpoint may be a minute old. Whatever happens, in the
//! end nothing is held, and every event has arrived, unless it was skipped.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

use crate::account::{Mode, Tenant};
use crate::delivery::{Attempt, Delivery, DeliveryStatus};
use crate::endpoint::hold::{Failure, Hold, HoldPhase, LAST_LOOK, ProbeOrder, Probes};
use crate::endpoint::{Endpoint, EndpointStatus, NewEndpoint};
use crate::id::{EventId, Partition, RecoveryId};
use crate::json::Fields;
use crate::random::Random;
use crate::recovery::{Course, Recovery, RecoveryScope, RecoveryStatus};
use crate::testing::Seeded;
use crate::time::Timestamp;

const SECOND: Duration = Duration::from_secs(1);
/// After this time an invocation is ended, and its message comes again.
const INVOCATION: Duration = Duration::from_mins(1);
/// How old the endpoint may be that an invocation knows, for a message that has waited for longer.
const STANDS_IN: Duration = Duration::from_mins(1);
/// How many deliveries a slice of a recovery takes.
const SLICE: usize = 3;
/// The attempts after which a delivery has failed.
const MOST_ATTEMPTS: usize = 6;

type Shared = Rc<RefCell<World>>;
/// Ends with whether the message is done.
type Running = Pin<Box<dyn Future<Output = bool>>>;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Work {
    FanOut(usize),
    Attempt(usize),
    Probe(u32),
    Recover(RecoveryId, u32),
}

#[derive(Clone, Copy)]
struct Message {
    work: Work,
    number: u64,
    sent_at: Timestamp,
    visible_at: Timestamp,
    receipts: u32,
}

struct Logged {
    id: EventId,
    /// Whether the endpoint refuses it, even when it is up.
    is_poison: bool,
    delivery: Option<Delivery>,
}

struct World {
    now: Timestamp,
    random: Rc<Seeded>,
    /// The endpoint as it was at each time.
    rows: Vec<(Timestamp, Endpoint)>,
    log: Vec<Logged>,
    recoveries: BTreeMap<RecoveryId, Recovery>,
    queue: Vec<Message>,
    messages: u64,
    is_up: bool,
    /// The chance in percent that a failure is the last of enough in a row.
    gives_up: u64,
    /// Whether the owner has let deliveries go.
    may_cancel: bool,
    steps: u64,
    holds: u64,
}

/// Lets others go on.
async fn step() {
    let mut is_later = false;
    std::future::poll_fn(|_| {
        if std::mem::replace(&mut is_later, true) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
}

impl World {
    fn below(&self, bound: u64) -> u64 {
        self.random.bits() % bound
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn endpoint(&self) -> Endpoint {
        self.rows.last().expect("there is always one").1.clone()
    }

    /// The endpoint as an invocation may know it that handles this message now.
    fn known(&self, sent_at: Timestamp) -> Endpoint {
        let oldest = sent_at.plus(SECOND).max(self.now.minus(STANDS_IN)).min(self.now);
        let at = oldest.plus(Duration::from_millis(
            self.below(1 + u64::try_from(self.now.since(oldest).as_millis()).unwrap()),
        ));
        let row = self.rows.iter().rev().find(|(since, _)| *since <= at);
        row.unwrap_or(&self.rows[0]).1.clone()
    }

    /// Writes the endpoint, if nobody else has since `before` was read.
    fn write(&mut self, before: &Endpoint, change: impl FnOnce(Endpoint) -> Endpoint) -> bool {
        let is_same = self.endpoint().revision == before.revision;
        if is_same {
            let changed = change(before.clone());
            self.rows.push((self.now, Endpoint { revision: before.revision + 1, ..changed }));
        }
        is_same
    }

    fn send(&mut self, work: Work, wait: Duration) {
        // Every tenth message is there twice.
        for _ in 0..if self.chance(10) { 2 } else { 1 } {
            self.messages += 1;
            let number = self.messages;
            let message =
                Message { work, number, sent_at: self.now, visible_at: self.now.plus(wait), receipts: 0 };
            self.queue.push(message);
        }
    }

    /// Writes a delivery, if its record is as it was read.
    fn advance(&mut self, event: usize, before: &Delivery, after: Delivery) -> bool {
        let recorded = &mut self.log[event].delivery;
        let is_same = recorded.as_ref() == Some(before);
        if is_same {
            *recorded = Some(after);
        }
        is_same
    }

    fn post(&self, event: usize) -> bool {
        self.is_up && !self.log[event].is_poison
    }

    fn attempted(&self, event: usize, delivery: &Delivery) -> Delivery {
        let code = if self.post(event) { 200 } else { 503 };
        let attempt = Attempt { code: Some(code), ..Attempt::begun(self.now) };
        let mut after = delivery.clone();
        after.attempts.push(attempt);
        let status = match attempt.succeeded() {
            true => DeliveryStatus::Succeeded,
            false if after.attempts.len() - after.recovered_after >= MOST_ATTEMPTS => DeliveryStatus::Failed,
            false => DeliveryStatus::Pending,
        };
        let next = (status == DeliveryStatus::Pending)
            .then(|| self.now.plus(SECOND * u32::try_from(1 + self.below(200)).unwrap()));
        Delivery { status, next_attempt_at: next, held_since: None, ..after }
    }
}

async fn fan_out(world: Shared, message: Message, event: usize) -> bool {
    if message.receipts > 1 && world.borrow().log[event].delivery.is_some() {
        queue_next(&world, event);
        return true;
    }
    let endpoint = world.borrow().known(message.sent_at);
    step().await;
    if endpoint.status == EndpointStatus::Disabled {
        let canceled =
            Delivery { status: DeliveryStatus::Canceled, ..Delivery::due(endpoint.id, world.borrow().now) };
        world.borrow_mut().log[event].delivery.get_or_insert(canceled);
        return true;
    }
    let due = Delivery::due(endpoint.id, world.borrow().now);
    let delivery = match endpoint.held_since() {
        Some(since) => due.held(since),
        None => world.borrow().attempted(event, &due),
    };
    step().await;
    let is_ours = {
        let recorded = &mut world.borrow_mut().log[event].delivery;
        let is_free = recorded.is_none();
        recorded.get_or_insert(delivery.clone());
        is_free
    };
    step().await;
    if is_ours {
        queue_next(&world, event);
    }
    judge(&world, &delivery).await;
    true
}

/// Queues the next attempt of a pending delivery.
fn queue_next(world: &Shared, event: usize) {
    let mut world = world.borrow_mut();
    let Some(delivery) = &world.log[event].delivery else { return };
    if delivery.status == DeliveryStatus::Pending {
        let wait = delivery.next_attempt_at.map_or(Duration::ZERO, |at| at.since(world.now));
        world.send(Work::Attempt(event), wait);
    }
}

/// After some failures the endpoint counts as down.
async fn judge(world: &Shared, delivery: &Delivery) {
    let Some(failed) = delivery.attempts.last().filter(|attempt| attempt.failed()).copied() else { return };
    if !world.borrow().chance(world.borrow().gives_up) {
        return;
    }
    let endpoint = world.borrow().endpoint();
    step().await;
    let now = world.borrow().now;
    if endpoint.status != EndpointStatus::Enabled {
        return;
    }
    let Some(hold) = Hold::of_down(endpoint.hold, Failure::from(&failed), now) else { return };
    world.borrow_mut().send(Work::Probe(0), Probes::wait(0));
    step().await;
    if world.borrow_mut().write(&endpoint, |endpoint| Endpoint { hold: Some(hold), ..endpoint }) {
        world.borrow_mut().holds += 1;
    }
}

async fn attempt(world: Shared, message: Message, event: usize) -> bool {
    let delivery = world.borrow().log[event].delivery.clone().expect("it is on record");
    if delivery.status != DeliveryStatus::Pending {
        return true;
    }
    if delivery.next_attempt_at.is_some_and(|at| at > world.borrow().now.plus(SECOND)) {
        queue_next(&world, event);
        return true;
    }
    let endpoint = world.borrow().known(message.sent_at);
    step().await;
    if endpoint.status == EndpointStatus::Disabled {
        let canceled =
            Delivery { status: DeliveryStatus::Canceled, next_attempt_at: None, ..delivery.clone() };
        world.borrow_mut().advance(event, &delivery, canceled);
        return true;
    }
    if let Some(since) = endpoint.held_since() {
        let held = delivery.clone().held(since);
        world.borrow_mut().advance(event, &delivery, held);
        return true;
    }
    let after = world.borrow().attempted(event, &delivery);
    step().await;
    if world.borrow_mut().advance(event, &delivery, after.clone()) {
        step().await;
        queue_next(&world, event);
    }
    judge(&world, &after).await;
    true
}

async fn probe(world: Shared, message: Message, number: u32) -> bool {
    let endpoint = world.borrow().endpoint();
    step().await;
    let probes_of = |endpoint: &Endpoint| endpoint.held_since().and(endpoint.hold?.probes());
    let Some(probes) = probes_of(&endpoint) else {
        return number != 0 || world.borrow().now.since(message.sent_at) >= LAST_LOOK;
    };
    if probes.made != number {
        if message.receipts > 1 && probes.made > number {
            let wait = probes.due.since(world.borrow().now);
            world.borrow_mut().send(Work::Probe(probes.made), wait);
        }
        return true;
    }
    let now = world.borrow().now;
    let after = if probes.order() == ProbeOrder::Oldest { probes.tried } else { None };
    let (chosen, is_nothing_held) = {
        let world = world.borrow();
        let mut held: Vec<usize> = (0..world.log.len())
            .filter(|event| {
                let Logged { id, delivery, .. } = &world.log[*event];
                let is_held = |delivery: &Delivery| delivery.status == DeliveryStatus::Held;
                delivery.as_ref().is_some_and(is_held) && after.is_none_or(|after| *id > after)
            })
            .collect();
        held.sort_unstable_by_key(|event| world.log[*event].id);
        let chosen = match probes.order() {
            ProbeOrder::Oldest => held.first().copied(),
            ProbeOrder::Newest => held.last().copied(),
        };
        (chosen, held.is_empty() && after.is_none())
    };
    let tried = match (probes.order(), chosen) {
        (ProbeOrder::Oldest, Some(event)) => Some(world.borrow().log[event].id),
        (ProbeOrder::Oldest, None) => None,
        (ProbeOrder::Newest, _) => probes.tried,
    };
    let next = if is_nothing_held {
        probes.after_nothing_to_send(now)
    } else {
        Some(probes.after_one_more(tried, now))
    };
    let Some(next) = next else { return release(&world, probes.made).await };
    let is_claimed = {
        let mut world = world.borrow_mut();
        let endpoint = world.endpoint();
        let is_current = probes_of(&endpoint).is_some_and(|probes| probes.made == number);
        is_current
            && world.write(&endpoint, |endpoint| {
                let hold = endpoint.hold.map(|hold| hold.with(HoldPhase::Held(next)));
                Endpoint { hold, ..endpoint }
            })
    };
    step().await;
    if !is_claimed && probes_of(&world.borrow().endpoint()) != Some(next) {
        return true;
    }
    if let Some(event) = chosen {
        let before = world.borrow().log[event].delivery.clone().expect("it is on record");
        let after = world.borrow().attempted(event, &before);
        step().await;
        if after.status == DeliveryStatus::Succeeded {
            // Another process may have written it meanwhile: the attempt counts nevertheless.
            let latest = world.borrow().log[event].delivery.clone().expect("it is on record");
            if latest.status != DeliveryStatus::Succeeded {
                world.borrow_mut().advance(event, &latest, after);
            }
            step().await;
            return release(&world, next.made).await;
        }
    }
    let wait = next.due.since(world.borrow().now);
    world.borrow_mut().send(Work::Probe(next.made), wait);
    true
}

async fn release(world: &Shared, made: u32) -> bool {
    let endpoint = world.borrow().endpoint();
    let is_current = |hold: &Hold| hold.probes().is_some_and(|probes| probes.made == made);
    let Some(hold) = endpoint.hold.filter(is_current) else { return true };
    let Some(drain) = begin(world, &endpoint, RecoveryScope::Held).await else { return true };
    step().await;
    let hold = Some(hold.with(HoldPhase::Draining(drain)));
    world.borrow_mut().write(&endpoint, |endpoint| Endpoint { hold, ..endpoint })
}

/// Begins a recovery of what is held.
async fn begin(world: &Shared, endpoint: &Endpoint, scope: RecoveryScope) -> Option<RecoveryId> {
    let now = world.borrow().now;
    let id = RecoveryId::new(now, world.borrow().random.as_ref());
    let recovery = Recovery::of_held(id, endpoint, scope, now)?;
    world.borrow_mut().recoveries.insert(id, recovery);
    step().await;
    world.borrow_mut().send(Work::Recover(id, 0), 2 * SECOND);
    step().await;
    Some(id)
}

async fn recover(world: Shared, message: Message, id: RecoveryId, slice: u32) -> bool {
    let mut recovery = world.borrow().recoveries[&id].clone();
    if recovery.status != RecoveryStatus::Running {
        return true;
    }
    if recovery.slices != slice {
        if message.receipts > 1 {
            world.borrow_mut().send(Work::Recover(id, recovery.slices), Duration::ZERO);
        }
        return true;
    }
    let early = recovery.until_second_look(world.borrow().now);
    if !early.is_zero() {
        world.borrow_mut().send(Work::Recover(id, slice), early);
        return true;
    }
    let endpoint = world.borrow().endpoint();
    step().await;
    let now = world.borrow().now;
    match recovery.course(Some(&endpoint), now) {
        Course::On => {}
        Course::Skip => recovery.scope = RecoveryScope::Skipped,
        Course::Wait => return false,
        Course::Stop => recovery.status = RecoveryStatus::Stopped,
    }
    recovery = recovery.begun(now);
    recovery.slices += 1;
    let mut wait = SECOND;
    if recovery.status == RecoveryStatus::Running {
        let (found, overdue, is_through) = search(&world.borrow(), &mut recovery, message.receipts > 1);
        for event in overdue {
            step().await;
            queue_next(&world, event);
        }
        for (event, before) in found {
            let after = match recovery.scope {
                RecoveryScope::Skipped => {
                    Delivery { status: DeliveryStatus::Canceled, held_since: None, ..before.clone() }
                }
                _ => before.recovered(world.borrow().now),
            };
            if world.borrow_mut().advance(event, &before, after) {
                step().await;
                queue_next(&world, event);
            }
        }
        if is_through {
            let (next, until_next_look) = recovery.after_look(now);
            (recovery, wait) = (next, until_next_look.unwrap_or(wait));
        }
    }
    step().await;
    if recovery.scope == RecoveryScope::Held && recovery.status == RecoveryStatus::Completed {
        let endpoint = world.borrow().endpoint();
        if endpoint.hold.is_some_and(|hold| hold.drain() == Some(id)) {
            world.borrow_mut().write(&endpoint, |endpoint| Endpoint { hold: None, ..endpoint });
        }
        step().await;
    }
    if world.borrow().recoveries[&id].slices != slice {
        return true;
    }
    let is_running = recovery.status == RecoveryStatus::Running;
    let slices = recovery.slices;
    world.borrow_mut().recoveries.insert(id, recovery);
    step().await;
    if is_running {
        world.borrow_mut().send(Work::Recover(id, slices), wait);
    }
    true
}

/// Returns the deliveries of the next slice, those whose message is overdue, and whether there are no more events.
fn search(
    world: &World,
    recovery: &mut Recovery,
    is_repeated: bool,
) -> (Vec<(usize, Delivery)>, Vec<usize>, bool) {
    let mut events: Vec<usize> = (0..world.log.len()).collect();
    events.sort_unstable_by_key(|event| world.log[*event].id);
    let (mut found, mut overdue) = (Vec::new(), Vec::new());
    for event in events {
        let Logged { id, delivery: Some(delivery), .. } = &world.log[event] else { continue };
        let is_passed = recovery.position.is_some_and(|position| *id <= position);
        // Events that are older than the hold are found in the index, which has no end.
        if is_passed || id.at() >= recovery.until {
            continue;
        }
        let scope = recovery.scope;
        let is_taken = recovery.takes(delivery, world.now) || (is_repeated && scope.takes_untried(delivery));
        if recovery.misses(delivery) {
            overdue.extend(Recovery::is_overdue(delivery, world.now).then_some(event));
            recovery.is_restless = true;
        } else if is_taken && recovery.is_of_its_hold(delivery) {
            recovery.is_restless |= recovery.looks > 0 && scope == RecoveryScope::Held;
            if found.len() == SLICE {
                return (found, overdue, false);
            }
            found.push((event, delivery.clone()));
        }
        recovery.position = Some(*id);
    }
    (found, overdue, true)
}

/// The owner pauses, resumes, skips, disables or enables the endpoint.
async fn change(world: Shared, change: u64) -> bool {
    use EndpointStatus::{Disabled, Enabled, Paused};
    let endpoint = world.borrow().endpoint();
    let now = world.borrow().now;
    step().await;
    let (scope, status) = match (change, endpoint.status) {
        (0, Enabled) => (None, Paused),
        (1, Paused) => (Some(RecoveryScope::Held), Enabled),
        (1, Enabled) if endpoint.hold.is_some_and(Hold::is_closed) => (Some(RecoveryScope::Held), Enabled),
        (2, Paused | Enabled) if endpoint.hold.is_some() => (Some(RecoveryScope::Skipped), Enabled),
        (3, Enabled | Paused) => (endpoint.hold.is_some().then_some(RecoveryScope::Skipped), Disabled),
        (4, Disabled) => (None, Enabled),
        _ => return true,
    };
    let mut drain = None;
    if let Some(scope) = scope {
        let begun = begin(&world, &endpoint, scope).await;
        drain = begun.filter(|_| scope == RecoveryScope::Held);
    }
    let lets_go = scope == Some(RecoveryScope::Skipped) || status == Disabled;
    world.borrow_mut().may_cancel |= lets_go;
    world.borrow_mut().write(&endpoint, |endpoint| {
        let changed = endpoint.with_status(status, drain, now);
        let hold = changed.hold.filter(|_| !lets_go);
        Endpoint { hold, ..changed }
    });
    true
}

/// One schedule.
struct Run {
    world: Shared,
    running: Vec<(Option<Message>, Timestamp, Running)>,
}

impl Run {
    fn new(seed: u64) -> Self {
        let random = Rc::new(Seeded::new(seed));
        let now = Timestamp::from_millis(1_795_514_400_000);
        let json = r#"{"url": "https://a.example", "enabled_events": ["*"]}"#;
        let tenant = Tenant { account: "acct_1".parse().unwrap(), mode: Mode::Live };
        let new = NewEndpoint::read(&mut Fields::parse(json).unwrap()).unwrap();
        let endpoint = new.register(&tenant, now, random.as_ref());
        let world = World {
            now,
            random,
            rows: vec![(now, endpoint)],
            log: Vec::new(),
            recoveries: BTreeMap::new(),
            queue: Vec::new(),
            messages: 0,
            is_up: true,
            gives_up: 30,
            may_cancel: false,
            steps: 0,
            holds: 0,
        };
        Self { world: Rc::new(RefCell::new(world)), running: Vec::new() }
    }

    fn pass(&self, span: Duration) {
        let mut world = self.world.borrow_mut();
        world.now = world.now.plus(span);
    }

    fn publish(&self) {
        let mut world = self.world.borrow_mut();
        let partition = Partition::of(&"a".parse().unwrap());
        let id = EventId::new(world.now, partition, world.random.bits());
        let is_poison = world.chance(10);
        world.log.push(Logged { id, is_poison, delivery: None });
        let event = world.log.len() - 1;
        world.send(Work::FanOut(event), Duration::ZERO);
    }

    /// Starts the work of a message that is visible. Returns whether there is one.
    fn receive(&mut self) -> bool {
        let (now, message) = {
            let mut world = self.world.borrow_mut();
            let now = world.now;
            let visible: Vec<usize> =
                (0..world.queue.len()).filter(|place| world.queue[*place].visible_at <= now).collect();
            if visible.is_empty() {
                return false;
            }
            let place = visible[usize::try_from(world.below(visible.len() as u64)).unwrap()];
            let message = &mut world.queue[place];
            message.receipts += 1;
            message.visible_at = now.plus(6 * INVOCATION);
            (now, *message)
        };
        let world = Rc::clone(&self.world);
        let running: Running = match message.work {
            Work::FanOut(event) => Box::pin(fan_out(world, message, event)),
            Work::Attempt(event) => Box::pin(attempt(world, message, event)),
            Work::Probe(number) => Box::pin(probe(world, message, number)),
            Work::Recover(id, slice) => Box::pin(recover(world, message, id, slice)),
        };
        self.running.push((Some(message), now.plus(INVOCATION), running));
        true
    }

    /// Lets one invocation go on, or ends it.
    fn go_on(&mut self, crashes: u64) {
        let (now, count) = (self.world.borrow().now, self.running.len() as u64);
        if count == 0 {
            return;
        }
        let place = usize::try_from(self.world.borrow().below(count)).unwrap();
        let (message, deadline, mut running) = self.running.swap_remove(place);
        let is_ended = now > deadline || self.world.borrow().chance(crashes);
        let mut context = Context::from_waker(Waker::noop());
        let polled =
            if is_ended { std::task::Poll::Ready(false) } else { running.as_mut().poll(&mut context) };
        self.world.borrow_mut().steps += 1;
        let std::task::Poll::Ready(is_done) = polled else {
            return self.running.push((message, deadline, running));
        };
        let Some(message) = message else { return };
        let mut world = self.world.borrow_mut();
        // Every fiftieth acknowledgement is lost.
        if is_done && !world.chance(2) {
            world.queue.retain(|other| other.number != message.number);
        } else if let Some(again) = world.queue.iter_mut().find(|other| other.number == message.number) {
            again.visible_at = now.plus(5 * SECOND * again.receipts);
        }
    }

    fn disturb(&mut self) {
        let roll = self.world.borrow().below(1_000);
        match roll {
            0..=39 => self.publish(),
            40..=59 => {
                let mut world = self.world.borrow_mut();
                world.is_up = !world.is_up;
            }
            60..=75 => {
                let kind = self.world.borrow().below(8).min(4);
                // Letting go is rarer than the rest.
                let kind = if kind >= 2 && !self.world.borrow().chance(25) { kind % 2 } else { kind };
                let deadline = self.world.borrow().now.plus(INVOCATION);
                self.running.push((None, deadline, Box::pin(change(Rc::clone(&self.world), kind))));
            }
            76..=175 => self.pass(SECOND * u32::try_from(1 + roll % 40).unwrap()),
            _ => {}
        }
        if self.world.borrow().chance(30) || self.running.is_empty() {
            self.receive();
        }
        self.go_on(3);
    }

    /// Lets everything come to rest, at an endpoint that is up.
    fn settle(&mut self) -> bool {
        self.world.borrow_mut().is_up = true;
        self.world.borrow_mut().gives_up = 0;
        for _ in 0..100_000 {
            while self.receive() {}
            self.go_on(0);
            if self.running.is_empty() {
                let next = self.world.borrow().queue.iter().map(|message| message.visible_at).min();
                let endpoint = self.world.borrow().endpoint();
                let now = self.world.borrow().now;
                let is_probe = |message: &Message| matches!(message.work, Work::Probe(_));
                if endpoint.held_since().is_some() && self.world.borrow().queue.iter().all(is_probe) {
                    // If it refuses all that it holds, it needs an event that it takes.
                    self.publish();
                    self.world.borrow_mut().log.last_mut().unwrap().is_poison = false;
                }
                match next {
                    Some(next) => self.pass(next.since(now)),
                    None if endpoint.status == EndpointStatus::Paused => {
                        let resumed = Box::pin(change(Rc::clone(&self.world), 1));
                        self.running.push((None, now.plus(INVOCATION), resumed));
                    }
                    None => return true,
                }
            }
        }
        false
    }

    /// What there is still to do.
    fn told(&self) -> String {
        let world = self.world.borrow();
        let works: Vec<_> = world.queue.iter().map(|message| message.work).collect();
        format!("{} {:?}, {works:?}, {:#?}", world.endpoint().status, world.endpoint().hold, world.recoveries)
    }

    fn check(&self, seed: u64) {
        let world = self.world.borrow();
        let endpoint = world.endpoint();
        let told = || format!("seed {seed}: {:?}", endpoint.hold);
        assert_eq!(endpoint.hold, None, "{}", told());
        for (number, logged) in world.log.iter().enumerate() {
            let delivery = logged.delivery.as_ref().unwrap_or_else(|| panic!("{}: {number} is lost", told()));
            let is_good = match delivery.status {
                DeliveryStatus::Succeeded => true,
                DeliveryStatus::Failed => logged.is_poison || delivery.attempts.len() >= MOST_ATTEMPTS,
                DeliveryStatus::Canceled => world.may_cancel,
                DeliveryStatus::Held | DeliveryStatus::Pending => false,
            };
            assert!(is_good, "{}: {number} is {delivery:?}", told());
        }
    }
}

/// Runs schedules, each with the seed of its number. Returns the numbers of steps and holds.
fn run(schedules: std::ops::Range<u64>) -> (u64, u64) {
    let (mut steps, mut holds) = (0, 0);
    for seed in schedules {
        let mut run = Run::new(seed);
        for _ in 0..600 {
            run.disturb();
        }
        assert!(run.settle(), "seed {seed} does not come to rest: {}", run.told());
        run.check(seed);
        let world = run.world.borrow();
        (steps, holds) = (steps + world.steps, holds + world.holds);
    }
    (steps, holds)
}

#[test]
fn whatever_happens_nothing_is_lost_and_nothing_stays_held() {
    let (steps, holds) = run(0..1_000);
    assert!(steps > 100_000 && holds > 500, "{steps} steps, {holds} holds");
}

#[test]
#[ignore = "takes minutes in a debug build: cargo test --release -p posthorn-domain -- --ignored nothing_stays_held --nocapture"]
fn whatever_happens_in_a_hundred_thousand_schedules_nothing_is_lost_and_nothing_stays_held() {
    let (steps, holds) = run(1_000..101_000);
    println!("100,000 schedules: {steps} steps, {holds} holds");
}
