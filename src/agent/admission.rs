//! Decides which local users may send requests that change something. Every user who can connect may read.

use std::path::Path;

use super::control::{Failure, FailureKind, Request};

/// The rule: root, the agent's own user, and the members of one group.
#[derive(Debug, Clone)]
pub struct Admission {
    own_uid: u32,
    group: Option<Group>,
}

#[derive(Debug, Clone)]
struct Group {
    name: String,
    gid: u32,
    members: Vec<String>,
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
        let Some(name) = group else { return Ok(Self { own_uid, group: None }) };
        let groups = std::fs::read_to_string(Path::new("/etc/group")).unwrap_or_default();
        let group = parse_group(&groups, name).ok_or_else(|| name.to_owned())?;
        Ok(Self { own_uid, group: Some(group) })
    }

    /// Returns the group that the socket belongs to.
    pub fn gid(&self) -> Option<u32> {
        self.group.as_ref().map(|group| group.gid)
    }

    /// Lets a request through, or says who may make it.
    pub fn admit(&self, caller: Caller, request: &Request) -> Result<(), Failure> {
        if !request.changes() || self.may_change(caller) {
            return Ok(());
        }
        let hint = match &self.group {
            Some(group) => format!("use sudo, or ask to be added to group {}", group.name),
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
        self.group.as_ref().is_some_and(|group| {
            group.gid == caller.gid || user_name(caller.uid).is_some_and(|name| group.members.contains(&name))
        })
    }
}

fn parse_group(groups: &str, name: &str) -> Option<Group> {
    let line = groups.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    let gid = fields.next()?.parse().ok()?;
    let members = fields.next().unwrap_or("").split(',').filter(|member| !member.is_empty());
    Some(Group { name: name.to_owned(), gid, members: members.map(str::to_owned).collect() })
}

fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let uid = uid.to_string();
    let line = users.lines().find(|line| line.split(':').nth(2) == Some(uid.as_str()))?;
    line.split(':').next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(group: Option<Group>) -> Admission {
        Admission { own_uid: 990, group }
    }

    fn abort() -> Request {
        Request::Abort { id: "prod".into() }
    }

    #[test]
    fn root_and_the_agents_user_may_change_things_others_may_look() {
        let rule = rule(None);
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
        let group = parse_group("root:x:0:\njuju:x:120:ann,bob\n", "juju").unwrap();
        assert_eq!(group.members, ["ann", "bob"]);
        let rule = rule(Some(group));
        rule.admit(Caller { uid: 1000, gid: 120 }, &abort()).unwrap();
        let refusal = rule.admit(Caller { uid: 1001, gid: 1001 }, &abort()).unwrap_err();
        assert!(refusal.hint.contains("group juju"), "{refusal:?}");
    }

    #[test]
    fn a_group_that_the_host_does_not_have_is_named() {
        assert_eq!(Admission::new(0, Some("no-such-group")).unwrap_err(), "no-such-group");
    }
}
