//! How many functions may run at the same time: what the AWS account allows, and what the stack's parameters use of it.

use super::finding::Finding;
use super::lambda_limits::LambdaLimits;
use super::stack::{Stack, deploy_with};

pub(super) const CHECK: &str = "concurrency";
/// The command that requests the usual limit from AWS.
pub(super) const REQUEST_MORE: &str = "aws service-quotas request-service-quota-increase --service-code lambda \
                                       --quota-code L-B99A9384 --desired-value 1000";
/// The usual limit. New accounts have less.
const USUAL: i64 = 1_000;
/// An alarm rings when more than this share of `AccountConcurrency` is used. The rest is for the API and other functions.
const ALARM_PERCENT: i64 = 80;

/// The stack's parameters about concurrency.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Parameters {
    account: i64,
    fan_out: i64,
    first_attempts: i64,
    deliver: i64,
}

/// The parameters that docs/OPERATING.md advises, by the account's limit: the largest limits first.
const ADVISED: [Parameters; 3] = [
    Parameters { account: 1_000, fan_out: 100, first_attempts: 50, deliver: 50 },
    Parameters { account: 100, fan_out: 30, first_attempts: 20, deliver: 20 },
    Parameters { account: 10, fan_out: 2, first_attempts: 2, deliver: 2 },
];

impl Parameters {
    /// Returns the parameters of a stack; `None` if it is of a version without them.
    pub(super) fn of(stack: &Stack) -> Option<Self> {
        Some(Self {
            account: stack.number("AccountConcurrency")?,
            fan_out: stack.number("FanOutConcurrency")?,
            first_attempts: stack.number("FirstAttemptsConcurrency")?,
            deliver: stack.number("DeliverConcurrency")?,
        })
    }

    /// How many functions the queues may start at the same time.
    fn of_queues(self) -> i64 {
        self.fan_out + self.first_attempts + self.deliver
    }

    fn assignments(self) -> String {
        let Self { account, fan_out, first_attempts, deliver } = self;
        format!(
            "AccountConcurrency={account} FanOutConcurrency={fan_out} FirstAttemptsConcurrency={first_attempts} \
             DeliverConcurrency={deliver}"
        )
    }
}

/// Compares the account's limit with what the parameters use of it.
pub(super) fn judge(limits: &LambdaLimits, parameters: Option<Parameters>) -> Vec<Finding> {
    let mut findings = vec![judge_limit(limits.concurrency)];
    if let Some(parameters) = parameters {
        findings.push(judge_room(limits, parameters));
        findings.extend(judge_alarm(limits.concurrency, parameters));
        findings.extend(judge_defaults(limits.concurrency, parameters));
    }
    findings
}

fn judge_limit(limit: i64) -> Finding {
    let found = format!("This AWS account may run {limit} functions at the same time in this region.");
    if limit >= USUAL {
        return Finding::ok(CHECK, found);
    }
    let found = if limit > 10 {
        found
    } else {
        format!(
            "{found} That is enough for some 150 events a second to endpoints that respond within 100 ms."
        )
    };
    let to_do = format!(
        "If you need more, request an increase, which is free: `{REQUEST_MORE}`. When AWS has granted it: {}",
        deploy_with(&ADVISED[0].assignments())
    );
    Finding::note(CHECK, found, to_do)
}

/// The queues' functions, the API's and all others of the account share what is not reserved.
fn judge_room(limits: &LambdaLimits, parameters: Parameters) -> Finding {
    let (used, room) = (parameters.of_queues(), limits.unreserved);
    let Parameters { fan_out, first_attempts, deliver, .. } = parameters;
    let found = format!(
        "The queues start up to {used} functions at the same time (FanOutConcurrency={fan_out}, \
         FirstAttemptsConcurrency={first_attempts}, DeliverConcurrency={deliver}), of {room} that are not reserved."
    );
    if used * 100 <= room * ALARM_PERCENT {
        return Finding::ok(CHECK, found);
    }
    let to_do = format!(
        "Lower the parameters, so that their sum leaves room for the API and for other functions, or request more: \
         `{REQUEST_MORE}`."
    );
    if used <= room {
        let found = format!("{found} That leaves little for the API.");
        return Finding::note(CHECK, found, to_do);
    }
    let found = format!("{found} Lambda throttles the rest, and the API with it.");
    Finding::fix(CHECK, found, to_do)
}

/// `AccountConcurrencyAlarm` compares with the parameter, not with the account's limit.
fn judge_alarm(limit: i64, parameters: Parameters) -> Option<Finding> {
    let account = parameters.account;
    let to_do = || deploy_with(&format!("AccountConcurrency={limit}"));
    if account > limit {
        let found = format!(
            "AccountConcurrency is {account}, and the account's limit {limit}: AccountConcurrencyAlarm rings too late."
        );
        return Some(Finding::fix(CHECK, found, to_do()));
    }
    (account < limit).then(|| {
        let found = format!(
            "AccountConcurrency is {account}, and the account's limit {limit}: AccountConcurrencyAlarm rings too early."
        );
        Finding::note(CHECK, found, to_do())
    })
}

/// Returns a note if a stack in a large account still has the defaults, which fit a new account.
fn judge_defaults(limit: i64, parameters: Parameters) -> Option<Finding> {
    let [.., smallest] = ADVISED;
    let advised = ADVISED.into_iter().find(|advised| advised.account <= limit)?;
    let is_modest = advised != smallest && parameters.of_queues() <= smallest.of_queues();
    is_modest.then(|| {
        let advised = Parameters { account: limit, ..advised };
        let found =
            "The queues' functions have the concurrency for a new AWS account, and this one allows more.";
        let to_do = format!("If events wait in a queue: {}", deploy_with(&advised.assignments()));
        Finding::note(CHECK, found, to_do)
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Level;
    use super::super::stack::testing::stack;
    use super::*;

    const SMALL: Parameters = Parameters { account: 10, fan_out: 2, first_attempts: 2, deliver: 2 };

    fn limits(concurrency: i64) -> LambdaLimits {
        LambdaLimits { concurrency, unreserved: concurrency, code: 1, stored: 0 }
    }

    fn levels(limit: i64, parameters: Parameters) -> Vec<Level> {
        judge(&limits(limit), Some(parameters)).iter().map(|finding| finding.level).collect()
    }

    #[test]
    fn a_new_account_with_the_defaults_may_want_more() {
        let findings = judge(&limits(10), Some(SMALL));
        let [limit, room] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!((limit.level, room.level), (Level::Note, Level::Ok));
        assert!(limit.found.contains("some 150 events a second"), "{limit:?}");
        let to_do = limit.to_do.as_ref().unwrap();
        assert!(to_do.contains(REQUEST_MORE) && to_do.contains("FanOutConcurrency=100"), "{to_do}");
    }

    #[test]
    fn what_operating_advises_fits_each_account() {
        for advised in ADVISED {
            let findings = judge(&limits(advised.account), Some(advised));
            assert!(findings[1..].iter().all(|finding| finding.level == Level::Ok), "{findings:?}");
        }
    }

    #[test]
    fn more_than_the_account_allows_is_throttled() {
        let large = Parameters { account: 10, fan_out: 6, ..SMALL };
        assert_eq!(levels(10, large), [Level::Note, Level::Note]);
        assert_eq!(levels(10, Parameters { fan_out: 7, ..large }), [Level::Note, Level::Fix]);
        let reserved = LambdaLimits { unreserved: 5, ..limits(10) };
        assert_eq!(judge(&reserved, Some(SMALL))[1].level, Level::Fix);
    }

    #[test]
    fn an_alarm_compares_with_the_accounts_limit() {
        let alarm = |limit, account| judge_alarm(limit, Parameters { account, ..SMALL });
        assert_eq!(alarm(1_000, 1_000), None);
        let late = alarm(10, 1_000).unwrap();
        assert_eq!(late.to_do.unwrap(), "Set AccountConcurrency=10 in samconfig.toml, and run `sam deploy`.");
        assert_eq!((late.level, alarm(1_000, 10).unwrap().level), (Level::Fix, Level::Note));
    }

    #[test]
    fn the_defaults_are_modest_in_a_large_account() {
        let to_do = |limit| judge_defaults(limit, SMALL).map(|note| note.to_do.unwrap());
        assert_eq!(to_do(99), None);
        let expected = "If events wait in a queue: Set AccountConcurrency=500 FanOutConcurrency=30 \
                        FirstAttemptsConcurrency=20 DeliverConcurrency=20 in samconfig.toml, and run `sam deploy`.";
        assert_eq!(to_do(500).unwrap(), expected);
        assert_eq!(judge_defaults(500, Parameters { deliver: 3, ..SMALL }), None);
    }

    #[test]
    fn a_stack_of_a_version_without_the_parameters_is_not_judged_by_them() {
        let parameters =
            [("AccountConcurrency", "10"), ("FanOutConcurrency", "2"), ("DeliverConcurrency", "2")];
        assert_eq!(Parameters::of(&stack(&[], &parameters)), None);
        assert_eq!(judge(&limits(1_000), None).len(), 1);
    }

    #[test]
    fn the_advice_is_that_of_the_documentation() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/OPERATING.md"));
        assert!(page.contains(REQUEST_MORE));
        for Parameters { account, fan_out, first_attempts, deliver } in ADVISED {
            let row = format!(" | {account} | {fan_out} | {first_attempts} | {deliver} |");
            assert!(page.contains(&row), "{row}");
        }
    }
}
