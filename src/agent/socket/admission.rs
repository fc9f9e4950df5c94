//! Decides which local users may send requests that change something. Every user who can connect may read.

use crate::agent::accounts::AccountFiles;
use crate::agent::control::{Failure, FailureKind, Request};

/// The rule: root, the agent's own user, and the members of one group.
#[derive(Debug, Clone)]
pub struct Admission {
    own_uid: u32,
    group: Option<String>,
    /// They are read for each request, so that a member who was removed from the group is refused from then on, whatever groups
    /// the member's processes still have.
    accounts: AccountFiles,
}

/// Who is at the other end of a socket, as the kernel says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub uid: u32,
    /// The user's group.
    pub gid: u32,
}

impl Caller {
    /// Returns the caller's name in the audit trail.
    pub fn actor(self) -> String {
        format!("uid {}", self.uid)
    }
}

impl Admission {
    /// Makes the rule of an agent that runs as `own_uid`.
    ///
    /// Errors: the group's name if the host has no such group.
    pub fn new(own_uid: u32, group: Option<&str>) -> Result<Self, String> {
        let admission = Self { own_uid, group: group.map(str::to_owned), accounts: AccountFiles::default() };
        match group.filter(|_| admission.gid().is_none()) {
            Some(name) => Err(name.to_owned()),
            None => Ok(admission),
        }
    }

    /// Returns the group that the socket belongs to.
    pub fn gid(&self) -> Option<u32> {
        self.accounts.read().group(self.group.as_deref()?).map(|group| group.gid)
    }

    /// Lets a request through, or says who may make it.
    pub fn admit(&self, caller: Caller, request: &Request) -> Result<(), Failure> {
        if !request.changes() || self.may_change(caller) {
            return Ok(());
        }
        let hint = match &self.group {
            Some(group) => format!("use sudo, or ask to be added to group {group}"),
            None => "use sudo; or set admin-group in the agent's configuration to a group of yours".to_owned(),
        };
        Err(Failure::new(FailureKind::NotPermitted, format!("user {} may look but not change anything", caller.uid))
            .state("nothing has changed")
            .hint(hint))
    }

    /// Reports whether a user is root or the agent's own: nobody else may keep these from the control socket.
    pub fn is_owner(&self, uid: u32) -> bool {
        uid == 0 || uid == self.own_uid
    }

    fn may_change(&self, caller: Caller) -> bool {
        if self.is_owner(caller.uid) {
            return true;
        }
        let Some(name) = self.group.as_deref() else { return false };
        let accounts = self.accounts.read();
        accounts.group(name).is_some_and(|group| accounts.is_member(caller.uid, caller.gid, group))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    fn rule(group: Option<&str>, accounts: AccountFiles) -> Admission {
        Admission { own_uid: 990, group: group.map(str::to_owned), accounts }
    }

    /// Writes the two files of a host with the group `juju`. `members`: of the group.
    fn accounts(dir: &Path, members: &str) -> AccountFiles {
        let accounts = AccountFiles { groups: dir.join("group"), users: dir.join("passwd") };
        fs::write(&accounts.groups, format!("root:x:0:\njuju:x:120:{members}\n")).unwrap();
        fs::write(
            &accounts.users,
            "ann:x:1000:1000::/:/bin/sh\nbob:x:1001:1001::/:/bin/sh\ncem:x:1002:120::/:/bin/sh\n",
        )
        .unwrap();
        accounts
    }

    fn abort() -> Request {
        Request::Abort { id: "prod".into() }
    }

    #[test]
    fn root_and_the_agents_user_may_change_things_others_may_look() {
        let scratch = tempfile::tempdir().unwrap();
        let rule = rule(None, accounts(scratch.path(), "ann"));
        for uid in [0, 990] {
            rule.admit(Caller { uid, gid: 1 }, &abort()).unwrap();
        }
        let stranger = Caller { uid: 1000, gid: 1000 };
        rule.admit(stranger, &Request::Status {}).unwrap();
        let prune = |dry_run| Request::Prune { older_than_s: Some(0), dry_run };
        rule.admit(stranger, &prune(true)).unwrap();
        assert_eq!(rule.admit(stranger, &prune(false)).unwrap_err().kind, FailureKind::NotPermitted);
        let refusal = rule.admit(stranger, &abort()).unwrap_err();
        assert_eq!(refusal.kind, FailureKind::NotPermitted);
        assert!(refusal.hint.contains("sudo") && refusal.hint.contains("admin-group"), "{refusal:?}");
    }

    #[test]
    fn the_groups_members_may_change_things_and_others_are_told_its_name() {
        let scratch = tempfile::tempdir().unwrap();
        let rule = rule(Some("juju"), accounts(scratch.path(), "ann,dan"));
        rule.admit(Caller { uid: 1000, gid: 1000 }, &abort()).unwrap();
        // The group that the user's line names, and that of a user whom the file does not list.
        rule.admit(Caller { uid: 1002, gid: 1002 }, &abort()).unwrap();
        rule.admit(Caller { uid: 7000, gid: 120 }, &abort()).unwrap();
        for stranger in [Caller { uid: 1001, gid: 1001 }, Caller { uid: 7000, gid: 7000 }] {
            let refusal = rule.admit(stranger, &abort()).unwrap_err();
            assert!(refusal.hint.contains("group juju"), "{refusal:?}");
        }
    }

    /// The list was read once, when the agent started, and a process kept the group that it was started with.
    #[test]
    fn a_member_who_was_removed_from_the_group_is_refused_from_the_next_request_on() {
        let scratch = tempfile::tempdir().unwrap();
        let rule = rule(Some("juju"), accounts(scratch.path(), "ann"));
        // A shell that was started when the user was a member.
        let ann = Caller { uid: 1000, gid: 120 };
        rule.admit(ann, &abort()).unwrap();
        accounts(scratch.path(), "bob");
        assert_eq!(rule.admit(ann, &abort()).unwrap_err().kind, FailureKind::NotPermitted);
        rule.admit(Caller { uid: 1001, gid: 1001 }, &abort()).unwrap();
        fs::write(scratch.path().join("group"), "root:x:0:\n").unwrap();
        rule.admit(Caller { uid: 1001, gid: 120 }, &abort()).unwrap_err();
    }

    #[test]
    fn a_group_that_the_host_does_not_have_is_named() {
        assert_eq!(Admission::new(0, Some("no-such-group")).unwrap_err(), "no-such-group");
    }
}
