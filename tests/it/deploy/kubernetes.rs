//! The manifests: what kubectl makes of them is what the published schemas allow, and the parts fit together.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::{Value, json};

use super::{duration, is_setting, path, root, run, time_to_stop, yaml};
use crate::binary;
use crate::portal::KEY;

/// The oldest version that is still in use somewhere, and the newest that there are schemas of.
const VERSIONS: [&str; 2] = ["1.28", "1.37"];
const NAME: &str = "qlik-embed-bff";

/// Every manifest by its kind.
fn manifests() -> BTreeMap<String, Value> {
    let files = files();
    let documents = yaml("plain", &files);
    assert_eq!(documents.len(), files.len(), "a file a manifest");
    documents.into_iter().map(|manifest| (manifest["kind"].as_str().expect("a kind").to_owned(), manifest)).collect()
}

fn files() -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(path("kubernetes")).expect("a folder").map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files
}

#[test]
fn the_published_schemas_allow_what_kubectl_makes_of_the_manifests() {
    let made = run(Command::new("kubectl").arg("kustomize").arg(path("kubernetes")));
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("all.yaml");
    fs::write(&file, &made).expect("written");
    let checker = root().join("target/manifests/bin/kubernetes-validate");
    let check = |file: &PathBuf, version: &str| {
        let mut command = Command::new(&checker);
        command.args(["--strict", "--kubernetes-version", version]).arg(file);
        command.output().expect("it is there: run `make manifests`")
    };
    for version in VERSIONS {
        let output = check(&file, version);
        let said = String::from_utf8([output.stdout, output.stderr].concat()).expect("text");
        assert!(output.status.success(), "{said}");
        assert_eq!(said.matches(" passed ").count(), made.matches("\nkind: ").count(), "{said}");
    }
    fs::write(&file, made.replace("readinessProbe:", "readynessProbe:")).expect("written");
    assert!(!check(&file, VERSIONS[0]).status.success(), "a slip is found");
}

#[test]
fn every_manifest_is_applied_but_the_one_for_the_operator() {
    let manifests = manifests();
    let listed = manifests["Kustomization"]["resources"].as_array().expect("a list");
    for file in files() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a name");
        let apart = ["kustomization.yaml", "servicemonitor.yaml"].contains(&name);
        assert_ne!(listed.contains(&Value::from(name)), apart, "{name}");
    }
    assert!(!manifests.contains_key("Secret"), "no secret is committed");
    let image = &manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(image, &manifests["Kustomization"]["images"][0]["name"]);
}

#[test]
fn whatever_means_the_servers_finds_them() {
    let manifests = manifests();
    let labels = json!({ "app.kubernetes.io/name": NAME });
    let deployment = &manifests["Deployment"]["spec"];
    let pod = &deployment["template"];
    assert_eq!(pod["metadata"]["labels"], labels);
    for selector in [
        &deployment["selector"]["matchLabels"],
        &manifests["Service"]["spec"]["selector"],
        &manifests["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        &manifests["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        &manifests["ServiceMonitor"]["spec"]["selector"]["matchLabels"],
        &manifests["Service"]["metadata"]["labels"],
        &pod["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
        &pod["spec"]["topologySpreadConstraints"][1]["labelSelector"]["matchLabels"],
    ] {
        assert_eq!(selector, &labels);
    }
    assert_eq!(manifests["HorizontalPodAutoscaler"]["spec"]["scaleTargetRef"]["name"], NAME);
    assert!(deployment.get("replicas").is_none(), "how many there are says the autoscaler");
    assert_eq!(pod["spec"]["serviceAccountName"], manifests["ServiceAccount"]["metadata"]["name"]);
    assert_eq!(pod["spec"]["volumes"][0]["configMap"]["name"], manifests["ConfigMap"]["metadata"]["name"]);

    let names = |ports: &Value, key: &str| {
        ports
            .as_array()
            .expect("ports")
            .iter()
            .map(|port| port[key].as_str().unwrap_or_default().to_owned())
            .collect::<BTreeSet<_>>()
    };
    let container = &pod["spec"]["containers"][0];
    let ports = names(&container["ports"], "name");
    assert_eq!(names(&manifests["Service"]["spec"]["ports"], "targetPort"), ports);
    assert_eq!(names(&manifests["Service"]["spec"]["ports"], "name"), ports);
    for rule in manifests["NetworkPolicy"]["spec"]["ingress"].as_array().expect("rules") {
        assert!(names(&rule["ports"], "port").is_subset(&ports));
    }
    assert!(names(&manifests["ServiceMonitor"]["spec"]["endpoints"], "port").is_subset(&ports));
    for (variable, port) in [("LISTEN", "http"), ("METRICS_LISTEN", "metrics")] {
        let listed = container["ports"].as_array().expect("ports").iter().find(|it| it["name"] == port).expect("it");
        assert_eq!(set(container, variable), format!("0.0.0.0:{}", listed["containerPort"]));
    }
}

/// What the container has in its environment.
fn set<'m>(container: &'m Value, name: &str) -> &'m str {
    let list = container["env"].as_array().expect("a list");
    let found = list.iter().find(|entry| entry["name"] == name).unwrap_or_else(|| panic!("{name} is not set"));
    found["value"].as_str().expect("text")
}

#[test]
fn servers_are_asked_for_readiness_and_have_time_to_stop() {
    let manifests = manifests();
    let pod = &manifests["Deployment"]["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    for entry in container["env"].as_array().expect("a list") {
        assert!(is_setting(entry["name"].as_str().expect("a name")), "{entry} is no setting");
    }
    let path = |probe: &str| &container[probe]["httpGet"]["path"];
    // Liveness must not ask for the stores: to start servers anew mends no database.
    assert_eq!(
        [path("startupProbe"), path("readinessProbe"), path("livenessProbe")],
        ["/healthz", "/readyz", "/healthz"]
    );
    let delay = set(container, "SHUTDOWN_DELAY");
    let grace = std::time::Duration::from_secs(pod["terminationGracePeriodSeconds"].as_u64().expect("seconds"));
    assert!(grace >= time_to_stop(delay) + std::time::Duration::from_secs(5), "{grace:?}");
    let seconds = |key: &str| container["readinessProbe"][key].as_u64().expect("a number");
    let noticed = seconds("periodSeconds") * seconds("failureThreshold");
    assert!(duration(delay).as_secs() > noticed, "the door closes after {noticed} s, when the load balancer knows");
}

/// The profile "restricted" of the Pod Security Standards, and a file system that nobody writes to.
#[test]
fn pods_have_no_rights() {
    let manifests = manifests();
    let pod = &manifests["Deployment"]["spec"]["template"]["spec"];
    let right = |value: &Value, key: &str| value["securityContext"][key].clone();
    assert_eq!(right(pod, "runAsNonRoot"), true);
    assert_eq!(right(pod, "seccompProfile"), json!({ "type": "RuntimeDefault" }));
    let image = super::read("Dockerfile");
    let user = image.lines().find_map(|line| line.strip_prefix("USER ")).expect("a user");
    assert_eq!(format!("{}:{}", right(pod, "runAsUser"), right(pod, "runAsGroup")), user);
    let container = &pod["containers"][0];
    assert_eq!(right(container, "allowPrivilegeEscalation"), false);
    assert_eq!(right(container, "readOnlyRootFilesystem"), true);
    assert_eq!(right(container, "capabilities"), json!({ "drop": ["ALL"] }));
    assert_eq!(pod["automountServiceAccountToken"], false);
}

/// With the secrets in a folder of the test, the settings of the ConfigMap are good, and the hosts of the Ingress are theirs.
#[test]
fn the_settings_of_the_config_map_are_good() {
    let manifests = manifests();
    let settings = manifests["ConfigMap"]["data"]["config.toml"].as_str().expect("a file");
    let mounted =
        manifests["Deployment"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][1]["mountPath"].as_str();
    let folder = tempfile::tempdir().expect("a folder");
    let here = settings.replace(mounted.expect("a path"), &folder.path().display().to_string());
    fs::write(folder.path().join("config.toml"), &here).expect("written");
    let key = secrecy::ExposeSecret::expose_secret(&KEY.private_key);
    fs::write(folder.path().join("privatekey.pem"), key).expect("written");
    for secret in ["session-secret", "database-password", "session-store-password"] {
        assert!(settings.contains(&format!("/{secret}\"")), "{secret}");
        fs::write(folder.path().join(secret), "forty characters of a secret for the test").expect("written");
    }
    // Its content counts when there is something to connect to.
    fs::write(folder.path().join("stores-ca.pem"), &KEY.certificate).expect("written");
    let mut check = binary::command(folder.path(), &["config", "check"]);
    let output = check.env("CONFIG_FILE", "config.toml").env("LISTEN", "0.0.0.0:8080").output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

    let urls = ["PUBLIC_URL", "PROXY_URL"].map(|name| {
        let line =
            settings.lines().find_map(|line| line.strip_prefix(&format!("{name} = \"https://"))).expect("it is set");
        json!(line.trim_end_matches('"'))
    });
    let ingress = &manifests["Ingress"]["spec"];
    assert_eq!(ingress["tls"][0]["hosts"], json!(urls));
    let rules = ingress["rules"].as_array().expect("rules");
    assert_eq!(rules.iter().map(|rule| rule["host"].clone()).collect::<Vec<_>>(), urls);
    for rule in rules {
        let service = &rule["http"]["paths"][0]["backend"]["service"];
        assert_eq!(service, &json!({ "name": NAME, "port": { "name": "http" } }));
    }
}
