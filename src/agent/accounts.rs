//! The host's users and groups, as `/etc/passwd` and `/etc/group` list them.

use std::fs;
use std::path::PathBuf;

/// Where the lists are.
#[derive(Debug, Clone)]
pub(super) struct AccountFiles {
    pub groups: PathBuf,
    pub users: PathBuf,
}

/// The lists at one moment.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    groups: Vec<Group>,
    /// None if the list cannot be read: then nobody is known to be in any group.
    users: Option<Vec<User>>,
}

#[derive(Debug)]
pub(super) struct Group {
    name: String,
    pub gid: u32,
    members: Vec<String>,
}

#[derive(Debug)]
struct User {
    name: String,
    uid: u32,
    /// The user's own group.
    gid: u32,
}

impl Default for AccountFiles {
    fn default() -> Self {
        Self { groups: "/etc/group".into(), users: "/etc/passwd".into() }
    }
}

impl AccountFiles {
    /// Reads both lists. Lines that are not understood are left out, and so is a list that cannot be read.
    pub fn read(&self) -> Accounts {
        let groups = fs::read_to_string(&self.groups).unwrap_or_default();
        let users = fs::read_to_string(&self.users).ok();
        Accounts {
            groups: groups.lines().filter_map(group).collect(),
            users: users.map(|users| users.lines().filter_map(user).collect()),
        }
    }
}

fn group(line: &str) -> Option<Group> {
    let mut fields = line.split(':');
    let (name, gid) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
    let members = fields.next().unwrap_or("").split(',').filter(|member| !member.is_empty());
    Some(Group { name, gid, members: members.map(str::to_owned).collect() })
}

fn user(line: &str) -> Option<User> {
    let mut fields = line.split(':');
    let (name, uid) = (fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?);
    Some(User { name, uid, gid: fields.next()?.parse().ok()? })
}

impl Accounts {
    /// Returns the group of this name.
    pub fn group(&self, name: &str) -> Option<&Group> {
        self.groups.iter().find(|group| group.name == name)
    }

    /// Reports whether a user is a member of a group. A user who is not listed, as of a directory service, is a member if the group
    /// is `own_gid`, the group of the user's process.
    pub fn is_member(&self, uid: u32, own_gid: u32, group: &Group) -> bool {
        let Some(users) = &self.users else { return false };
        let mut listed = users.iter().filter(|user| user.uid == uid).peekable();
        if listed.peek().is_none() {
            return own_gid == group.gid;
        }
        listed.any(|user| user.gid == group.gid || group.members.contains(&user.name))
    }

    /// Reports whether nobody but root and `user` is in the group `gid`. A group that is not listed is not private.
    pub fn is_private(&self, gid: u32, user: u32) -> bool {
        let Some(users) = &self.users else { return false };
        let is_trusted = |uid: u32| uid == 0 || uid == user;
        let is_trusted_member =
            |name: &String| users.iter().find(|user| user.name == *name).is_some_and(|user| is_trusted(user.uid));
        let mut groups = self.groups.iter().filter(|group| group.gid == gid).peekable();
        groups.peek().is_some()
            && groups.all(|group| group.members.iter().all(is_trusted_member))
            && users.iter().filter(|user| user.gid == gid).all(|user| is_trusted(user.uid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_private_if_nobody_but_root_and_the_user_is_in_it() {
        let scratch = tempfile::tempdir().unwrap();
        let files = AccountFiles { groups: scratch.path().join("group"), users: scratch.path().join("passwd") };
        let users = "root:x:0:0::/root:/bin/sh\nann:x:1000:1000::/:/bin/sh\nbob:x:1001:100::/:/bin/sh\ncem:x:1002:100::/:/bin/sh\n";
        let groups =
            "root:x:0:\nann:x:1000:\nusers:x:100:\nops:x:120:ann,bob\nmine:x:121:root,ann\ngone:x:122:nobody-known\n";
        fs::write(&files.users, users).unwrap();
        fs::write(&files.groups, groups).unwrap();
        let private = |gid, user| files.read().is_private(gid, user);
        assert!(private(1000, 1000) && private(0, 0) && private(0, 1000) && private(121, 1000));
        assert!(!private(1000, 1001), "the group of another user");
        assert!(!private(100, 1001), "two users have it as their own group");
        assert!(!private(120, 1000) && !private(122, 1000), "another member");
        assert!(!private(999, 1000), "a group that is not listed");
        fs::remove_file(&files.users).unwrap();
        assert!(!private(1000, 1000), "nobody is known");
    }
}
