//! Model descriptions for tests, with the binaries that they name.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use modelferry_protocol::ids::ModelUuid;
use ring::digest;

use super::wanted::hex;

/// A model of two machines, a container, two applications and a subordinate, in the shape in which Juju writes one.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    pub version: u32,
    pub uuid: ModelUuid,
    pub name: String,
    pub owner: String,
    pub agent_version: String,
    pub users: Vec<String>,
    pub manifests: bool,
    pub unit_status: String,
    pub machine_status: String,
    pub instance_status: String,
    /// Units of postgresql that have joined the relation with webapp.
    pub joined: Vec<String>,
    /// Makes the binaries differ between models.
    pub seed: u8,
}

impl Default for Sample {
    fn default() -> Self {
        Self {
            version: 12,
            uuid: "9372c470-eead-45ec-89c3-c74c2b3cb633".parse().unwrap(),
            name: "prod".to_owned(),
            owner: "admin".to_owned(),
            agent_version: "3.6.23".to_owned(),
            users: vec!["admin".to_owned(), "bob".to_owned()],
            manifests: true,
            unit_status: "idle".to_owned(),
            machine_status: "started".to_owned(),
            instance_status: "running".to_owned(),
            joined: vec!["postgresql/0".to_owned()],
            seed: 0,
        }
    }
}

const CHARM: &str = "ch:amd64/postgresql-843";
const LOCAL_CHARM: &str = "local:noble/webapp-2";

fn status(indent: usize, key: &str, value: &str) -> String {
    let pad = " ".repeat(indent);
    format!(
        "{pad}{key}:\n{pad}  version: 2\n{pad}  status:\n{pad}    value: {value}\n\
         {pad}    updated: 2026-08-21T09:00:00.288389Z\n{pad}    neverset: false\n"
    )
}

/// Returns a zip archive with one file in it, stored as it is.
pub(crate) fn zipped(name: &str, content: &[u8]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let stored = zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    zip.start_file(name, stored).unwrap();
    std::io::Write::write_all(&mut zip, content).unwrap();
    zip.finish().unwrap().into_inner()
}

impl Sample {
    fn charm(&self) -> Vec<u8> {
        zipped("metadata.yaml", &[&b"charm of postgresql "[..], &[self.seed; 4000]].concat())
    }

    fn local_charm(&self) -> Vec<u8> {
        zipped("metadata.yaml", &[&b"charm of webapp "[..], &[self.seed; 3000]].concat())
    }

    fn agent(&self) -> Vec<u8> {
        [&b"agent binary "[..], &[self.seed; 9000]].concat()
    }

    fn resource(&self) -> Vec<u8> {
        [&b"wal-g "[..], &[self.seed; 7000]].concat()
    }

    fn image(&self) -> Vec<u8> {
        format!("{{\"ImageName\":\"registry.example/webapp@sha256:{:02x}\"}}", self.seed).into_bytes()
    }

    /// Returns the version of the agent binary.
    pub(crate) fn tools(&self) -> String {
        format!("{}-ubuntu-amd64", self.agent_version)
    }

    /// Returns the binaries with the paths at which an import looks for them.
    pub(crate) fn binaries(&self) -> Vec<(PathBuf, Vec<u8>)> {
        [
            ("charms/ch:amd64_postgresql-843".to_owned(), self.charm()),
            ("charms/local:noble_webapp-2".to_owned(), self.local_charm()),
            (format!("tools/{}", self.tools()), self.agent()),
            ("resources/postgresql/wal-g".to_owned(), self.resource()),
            ("resources/webapp/webapp-image".to_owned(), self.image()),
        ]
        .map(|(path, bytes)| (PathBuf::from(path), bytes))
        .to_vec()
    }

    /// Writes description and binaries into `dir`, and returns the description's path.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        for (path, bytes) in self.binaries() {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        let path = dir.join("model.yaml");
        fs::write(&path, self.yaml()).unwrap();
        path
    }

    /// Returns the description.
    pub(crate) fn yaml(&self) -> String {
        let Self { version, uuid, name, owner, agent_version, .. } = self;
        let mut yaml = format!(
            "version: {version}\nagent-version: {agent_version}\ntype: iaas\nowner: {owner}\nconfig:\n  \
             agent-version: {agent_version}\n  name: {name}\n  type: openstack\n  uuid: {uuid}\n\
             users:\n  version: 1\n  users:\n"
        );
        for user in &self.users {
            writeln!(yaml, "  - name: {user}\n    created-by: admin\n    access: admin").unwrap();
        }
        yaml.push_str("    last-connection: 2026-08-21T09:01:00.146413Z\nmachines:\n  version: 4\n  machines:\n");
        for id in ["0", "1"] {
            yaml.push_str(&self.machine(id, 2));
            if id == "0" {
                yaml.push_str("    containers:\n");
                yaml.push_str(&self.machine("0/lxd/0", 4));
            }
            yaml.push_str("    containers: []\n".repeat(usize::from(id != "0")).as_str());
        }
        yaml.push_str("applications:\n  version: 14\n  applications:\n");
        yaml.push_str(&self.application("postgresql", CHARM, "0", &self.file_resource()));
        yaml.push_str(&self.application("webapp", LOCAL_CHARM, "0/lxd/0", &self.image_resource()));
        yaml.push_str(&self.relations());
        yaml.push_str(REST);
        yaml
    }

    fn machine(&self, id: &str, indent: usize) -> String {
        let pad = " ".repeat(indent);
        format!(
            "{pad}- id: \"{id}\"\n{pad}  base: ubuntu@24.04/stable\n{pad}  instance:\n{pad}    version: 6\n\
             {pad}    instance-id: inst-{id}\n{}{}{}",
            status(indent + 4, "status", &self.instance_status),
            status(indent + 2, "status", &self.machine_status),
            self.tools_block(indent + 2)
        )
    }

    fn tools_block(&self, indent: usize) -> String {
        let (pad, agent) = (" ".repeat(indent), self.agent());
        let sha256 = hex(digest::digest(&digest::SHA256, &agent).as_ref());
        format!(
            "{pad}tools:\n{pad}  version: 2\n{pad}  tools-version: {}\n{pad}  url: \"\"\n\
             {pad}  sha256: {sha256}\n{pad}  size: {}\n",
            self.tools(),
            agent.len()
        )
    }

    fn application(&self, name: &str, url: &str, machine: &str, resources: &str) -> String {
        let manifest = if self.manifests {
            "    charm-manifest:\n      version: 1\n      bases:\n      - name: ubuntu\n        channel: 24.04/stable\n"
        } else {
            ""
        };
        format!(
            "  - name: {name}\n    type: iaas\n    charm-url: {url}\n    cs-channel: 16/stable\n{}\
             \x20   endpoint-bindings:\n      \"\": \"1\"\n    leader: {name}/0\n    units:\n      version: 3\n      units:\n\
             \x20     - name: {name}/0\n        machine: \"{machine}\"\n{}{}        workload-version: \"16.9\"\n{}{}\
             \x20   resources:\n      version: 1\n      resources:\n{resources}{manifest}",
            status(4, "status", "active"),
            status(8, "agent-status", &self.unit_status),
            status(8, "workload-status", "active"),
            self.tools_block(8),
            self.fetched(name)
        )
    }

    fn revision(&self, name: &str, kind: &str, bytes: &[u8], timestamp: &str) -> String {
        // Documents from 14 on call the hash by its name.
        let key = if self.version >= 14 { "sha384" } else { "fingerprint" };
        let sha384 = hex(digest::digest(&digest::SHA384, bytes).as_ref());
        format!(
            "      - name: {name}\n        application-revision:\n          revision: 3\n          type: {kind}\n{}\
             \x20         origin: store\n          {key}: {sha384}\n          size: {}\n{timestamp}",
            self.file(10, name, "admin"),
            bytes.len()
        )
    }

    /// Returns what a revision of a resource has besides, in documents that tell the file's name.
    fn file(&self, indent: usize, name: &str, user: &str) -> String {
        let pad = " ".repeat(indent);
        match self.version {
            ..=12 => format!("{pad}path: {name}.tar.zst\n{pad}description: a tool\n{pad}username: {user}\n"),
            _ => String::new(),
        }
    }

    /// Returns the resources that a unit has fetched: an older revision than its application has now.
    fn fetched(&self, application: &str) -> String {
        let key = if self.version >= 14 { "sha384" } else { "fingerprint" };
        let (sha384, bytes) = (hex(digest::digest(&digest::SHA384, b"older").as_ref()), 5);
        match application {
            "postgresql" => format!(
                "        resources:\n          version: 1\n          resources:\n          - name: wal-g\n            revision:\n\
                 \x20             revision: 2\n              type: file\n{}              origin: store\n\
                 \x20             {key}: {sha384}\n              size: {bytes}\n\
                 \x20             timestamp: 2026-08-20T09:00:00.665822Z\n",
                self.file(14, "wal-g", application)
            ),
            _ => String::new(),
        }
    }

    fn file_resource(&self) -> String {
        self.revision("wal-g", "file", &self.resource(), "          timestamp: 2026-08-21T09:00:00.665822Z\n")
            + &self.revision("never-fetched", "file", b"", "")
    }

    fn image_resource(&self) -> String {
        // Juju's own numbers for an image are not those of the document that travels.
        self.revision("webapp-image", "oci-image", b"elsewhere", "          timestamp: 2026-08-21T09:00:00.665822Z\n")
    }

    fn relations(&self) -> String {
        let end = |application: &str, endpoint: &str, role: &str, joined: &[String]| {
            let units: String =
                joined.iter().map(|unit| format!("          {unit}:\n            private: s3cret\n")).collect();
            format!(
                "      - application-name: {application}\n        name: {endpoint}\n        role: {role}\n\
                 \x20       interface: postgresql_client\n        scope: global\n        unit-settings:\n{units}"
            )
        };
        format!(
            "relations:\n  version: 3\n  relations:\n  - id: 1\n    key: webapp:db postgresql:database\n    endpoints:\n\
             \x20     version: 2\n      endpoints:\n{}{}    suspended: false\n{}",
            end("webapp", "db", "requirer", &["webapp/0".to_owned()]),
            end("postgresql", "database", "provider", &self.joined),
            status(4, "status", "joined")
        )
    }
}

/// What stands after the relations, the same in every sample.
const REST: &str = "\
offer-connections:
  version: 1
  offer-connections: []
spaces:
  version: 2
  spaces:
  - id: \"0\"
    name: alpha
    public: false
  - id: \"1\"
    name: internal
    public: false
subnets:
  version: 6
  subnets:
  - subnet-id: \"0\"
    cidr: 10.150.40.0/24
    availability-zones:
    - az1
    space-id: \"0\"
sequences:
  machine: 2
  postgresql: 1
cloud: openstack-eu
cloud-region: RegionOne
cloud-credential:
  version: 2
  owner: admin
  cloud: openstack-eu
  name: default
  auth-type: userpass
  attributes:
    password: s3cret
volumes:
  version: 1
  volumes:
  - id: \"0\"
    storage-id: pgdata/0
    provisioned: true
    size: 10240
    pool: fast
    attachments:
      version: 2
      attachments:
      - host-id: \"0\"
filesystems:
  version: 1
  filesystems: []
storages:
  version: 3
  storages:
  - id: pgdata/0
    kind: filesystem
    owner: unit-postgresql-0
    name: pgdata
    constraints:
      pool: fast
      size: 10240
storage-pools:
  version: 1
  pools:
  - name: fast
    provider: cinder
remote-applications:
  version: 3
  remote-applications: []
secrets:
  version: 2
  secrets:
  - id: d6lfj4fmp2500csb5sq0
    owner: application-postgresql
    revisions:
    - number: 1
      content:
        password: czNjcmV0
    - number: 2
      value-ref:
        backend-id: 63c8ad37c906eb278540e942
        revision-id: d6lfj4fmp2500csb5sq0-2
sla:
  level: \"\"
meter-status:
  code: NOT AVAILABLE
  info: \"\"
virtual-host-keys:
  version: 1
  virtual-host-keys: []
";
