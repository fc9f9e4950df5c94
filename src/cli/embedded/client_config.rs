//! `modelferry embedded client-config`: a store for Juju's own client that knows this controller.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Map, Value, json};

use super::user::password;
use crate::agent::control::view::ControllerView;
use crate::agent::control::{Failure, FailureKind, Request, Response};
use crate::cli::Context;
use crate::cli::base::exit::Exit;
use crate::cli::base::{client, spool};
use crate::cli::output::Format;
use crate::cli::output::plain;
use crate::config::words;
use crate::controller::embedded::view::{Access, ModelRow, ModelState};
use crate::secret::SecretText;

/// The user that every controller begins with.
const ADMIN: &str = "admin";
/// Bytes that a file of the client may have: more than a thousand controllers take.
const STORE_BYTES_MAX: u64 = 16 << 20;
/// What the client keeps, and what is written here.
const FILES: [&str; 3] = ["controllers.yaml", "accounts.yaml", "models.yaml"];

#[derive(Debug, Args)]
pub struct ClientConfigArgs {
    /// The client's directory, which `juju` finds by the variable JUJU_DATA; made if it is not there
    #[arg(long, value_name = "DIR")]
    juju_data: PathBuf,
    /// Add to what is there; a controller of this name is replaced if it is the same one
    #[arg(long)]
    merge: bool,
    /// What the client is to call the controller, if not as it calls itself
    #[arg(long)]
    name: Option<String>,
    /// Who logs in
    #[arg(long, default_value = ADMIN)]
    user: String,
    /// A file whose first line is the password, which is then kept in accounts.yaml as Juju keeps it; - reads standard
    /// input
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

/// Everything that the store is to know.
struct Known<'a> {
    name: &'a str,
    controller: &'a ControllerView,
    models: &'a [ModelRow],
    user: &'a str,
    access: &'a str,
    password: Option<&'a SecretText>,
}

impl ClientConfigArgs {
    pub(super) fn run(self, context: &Context) -> Result<Exit, Failure> {
        let password = self.password_file.as_deref().map(password).transpose()?;
        let Response::Controller(controller) = context.ask(&Request::ShowController { controller: None })? else {
            return Err(client::unexpected());
        };
        let Response::Models { models, .. } = context.ask(&Request::Models { controller: None })? else {
            return Err(client::unexpected());
        };
        let Response::Users(users) = context.ask(&Request::UserList {})? else { return Err(client::unexpected()) };
        if controller.addresses.is_empty() {
            return Err(Failure::new(FailureKind::Refused, "the controller has no API that a client could call")
                .state("nothing was written")
                .hint("add a section [embedded.api] to the agent's configuration, and restart the agent"));
        }
        let Some(user) = users.iter().find(|user| user.name == self.user) else {
            return Err(Failure::new(FailureKind::NotFound, format!("user \"{}\" not found", plain(&self.user)))
                .state("nothing was written")
                .hint("see `modelferry embedded user list`"));
        };
        let known = Known {
            name: self.name.as_deref().unwrap_or(&controller.name),
            controller: &controller,
            models: &models,
            user: &self.user,
            access: user.access.as_str(),
            password: password.as_ref(),
        };
        write(&self.juju_data, self.merge, &known)?;
        let shown = json!({ "controller": known.name, "juju-data": self.juju_data.display().to_string() });
        context.print(&shown, || told(&self.juju_data, &known, user.password, user.access));
        Ok(Exit::Done)
    }
}

/// Says what was written, and what to type next.
fn told(dir: &Path, known: &Known<'_>, has_password: bool, access: Access) -> String {
    let (name, shown) = (plain(known.name), dir.display().to_string());
    let dir = shlex::try_quote(&shown).map_or_else(|_| shown.clone(), std::borrow::Cow::into_owned);
    let mut text = format!("Controller \"{name}\" is known in {}.\n", plain(&shown));
    if !has_password {
        let user = plain(known.user);
        text.push_str(&format!(
            "User \"{user}\" has no password yet: modelferry embedded user set-password {user} --password-file FILE\n"
        ));
    }
    if known.password.is_none() {
        text.push_str(&format!("Log in first: JUJU_DATA={dir} juju login -c {name} -u {}\n", plain(known.user)));
    }
    let models = if access == Access::Superuser { "juju models --all" } else { "juju models" };
    text + &format!("Look at it: JUJU_DATA={dir} {models} -c {name}\n")
}

fn refused(text: String) -> Failure {
    Failure::new(FailureKind::Refused, text).state("nothing was written")
}

/// Writes the three files.
fn write(dir: &Path, merge: bool, known: &Known<'_>) -> Result<(), Failure> {
    let there: Vec<&str> = FILES.into_iter().filter(|file| dir.join(file).exists()).collect();
    if !there.is_empty() && !merge {
        let text = format!("{} has a client store already: {}", dir.display(), there.join(", "));
        return Err(refused(text).hint("name another directory, or add to it with --merge"));
    }
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(|error| refused(format!("cannot make {}: {error}", dir.display())))?;
    let mut files = Vec::new();
    for file in FILES {
        files.push((file, read(&dir.join(file))?));
    }
    let name = known.name;
    let before = files[0].1.get("controllers").and_then(|all| all.get(name));
    let uuid = before.and_then(|before| before.get("uuid")).and_then(Value::as_str);
    if uuid.is_some_and(|uuid| uuid != known.controller.uuid) {
        let text = format!("{} knows another controller as \"{}\"", dir.display(), plain(name));
        return Err(refused(text).hint("give this one another name with --name"));
    }
    put(&mut files[0].1, name, controller(known.controller));
    put(&mut files[1].1, name, account(known));
    put(&mut files[2].1, name, models(known));
    files[0].1.entry("current-controller").or_insert_with(|| json!(name));
    for (file, tree) in files {
        let text = Format::Yaml.render(&Value::Object(tree), String::new);
        replace(&dir.join(file), &text)
            .map_err(|error| refused(format!("cannot write {}: {error}", dir.join(file).display())))?;
    }
    Ok(())
}

/// Reads a file of the store; one that is not there is empty.
fn read(path: &Path) -> Result<Map<String, Value>, Failure> {
    let cannot = |why: String| refused(format!("cannot read {}: {why}", path.display()));
    let text = match spool::small_text(path, STORE_BYTES_MAX)? {
        Ok(text) if text.trim().is_empty() => return Ok(Map::new()),
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Map::new()),
        Err(error) => return Err(cannot(words::of_text(&error))),
    };
    match serde_saphyr::from_str::<Value>(&text) {
        Ok(Value::Object(tree)) => Ok(tree),
        Ok(_) => Err(cannot("it is no file of Juju's client".to_owned())),
        Err(error) => Err(cannot(error.to_string())),
    }
}

/// Puts what is known of a controller, by its name.
fn put(tree: &mut Map<String, Value>, name: &str, told: Value) {
    let all = tree.entry("controllers").or_insert_with(|| json!({}));
    if !all.is_object() {
        *all = json!({});
    }
    all[name] = told;
}

/// Replaces a file at once: a client that reads it meanwhile sees the old one or the new one.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let beside = path.with_extension("yaml.new");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)
}

fn controller(known: &ControllerView) -> Value {
    let mut told = json!({
        "uuid": known.uuid,
        "api-endpoints": known.addresses,
        "ca-cert": known.ca_cert,
        "cloud": known.cloud,
    });
    for (key, value) in [("region", &known.region), ("type", &known.cloud_type), ("agent-version", &known.version)] {
        if !value.is_empty() {
            told[key] = json!(value);
        }
    }
    told["controller-machine-count"] = json!(0);
    told["active-controller-machine-count"] = json!(0);
    told
}

fn account(known: &Known<'_>) -> Value {
    let mut told = json!({ "user": known.user });
    if let Some(password) = known.password {
        told["password"] = json!(password);
    }
    told["last-known-access"] = json!(known.access);
    told
}

fn models(known: &Known<'_>) -> Value {
    let here = known.models.iter().filter(|model| matches!(model.state, ModelState::Live | ModelState::Frozen));
    let models = here.map(|model| {
        let path = format!("{}/{}", model.owner, model.name);
        (path, json!({ "uuid": model.uuid, "type": model.model_type, "branch": "master" }))
    });
    json!({ "models": models.collect::<Map<_, _>>() })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::cli::model::status::tests::model;

    fn view() -> ControllerView {
        ControllerView {
            name: "east".into(),
            uuid: "f06afa86-3461-42bb-86ed-6c2f5d7b0ac7".into(),
            addresses: vec!["127.0.0.1:17070".into()],
            ca_cert: "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n".into(),
            cloud: "localhost".into(),
            version: "3.6.23".into(),
            ..ControllerView::default()
        }
    }

    fn written(dir: &Path, merge: bool, view: &ControllerView, name: &str) -> Result<(), Failure> {
        let models = [model().details.row];
        let password = SecretText::from("sesame");
        let known = Known {
            name,
            controller: view,
            models: &models,
            user: "admin",
            access: "superuser",
            password: Some(&password),
        };
        write(dir, merge, &known)
    }

    #[test]
    fn a_store_is_written_as_jujus_client_reads_it() {
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path().join("juju");
        written(&dir, false, &view(), "east").unwrap();
        let text = fs::read_to_string(dir.join("controllers.yaml")).unwrap();
        assert!(text.starts_with("controllers:\n  east:\n    uuid: f06afa86"), "{text}");
        assert!(text.ends_with("current-controller: east\n"), "{text}");
        let accounts = fs::read_to_string(dir.join("accounts.yaml")).unwrap();
        assert_eq!(
            accounts,
            "controllers:\n  east:\n    user: admin\n    password: sesame\n    last-known-access: superuser\n"
        );
        let mode = fs::metadata(dir.join("accounts.yaml")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let models = read(&dir.join("models.yaml")).unwrap();
        assert_eq!(models["controllers"]["east"]["models"].as_object().unwrap().len(), 1);
    }

    #[test]
    fn a_store_that_is_there_is_only_added_to_when_that_is_asked_for() {
        let dir = tempfile::TempDir::new().unwrap();
        written(dir.path(), false, &view(), "east").unwrap();
        assert!(written(dir.path(), false, &view(), "east").unwrap_err().hint.contains("--merge"));
        let other = ControllerView { uuid: "3850c8cc-0cd0-4d53-8a6d-591b63024141".into(), ..view() };
        assert!(written(dir.path(), true, &other, "east").unwrap_err().hint.contains("--name"));
        written(dir.path(), true, &other, "west").unwrap();
        written(dir.path(), true, &view(), "east").unwrap();
        let known = read(&dir.path().join("controllers.yaml")).unwrap();
        assert_eq!(known["controllers"].as_object().unwrap().keys().collect::<Vec<_>>(), ["east", "west"]);
        assert_eq!(known["current-controller"], "east");
        let ca = known["controllers"]["east"]["ca-cert"].as_str().unwrap();
        assert_eq!(ca, view().ca_cert, "it survives being read and written again");
    }
}
