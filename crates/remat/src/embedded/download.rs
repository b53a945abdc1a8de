//! Fetches server binaries for a machine that has none.
//!
//! One pinned release of <https://github.com/theseus-rs/postgresql-binaries>, checked against the digest that is
//! published beside it, unpacked under its final name only when complete, and kept for the next time. Where there
//! is no network this fails within seconds. Nothing is installed into the system.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::{EmbeddedError, Progress, ServerBinaries};

const RELEASES: &str = "https://github.com/theseus-rs/postgresql-binaries/releases/download";
const VERSION: &str = "18.6.0";

/// Without a network, or behind a firewall that swallows packets, the answer is a sentence and not a wait.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(20);
const BODY_TIMEOUT: Duration = Duration::from_mins(15);

const CHUNK_BYTES: usize = 64 * 1024;

/// Why there is no download: for the detail of the error that the caller makes of it.
type Reason = String;

/// Gives the downloaded binaries below `base`, fetching them if they are not there yet.
pub(super) async fn download(
    base: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ServerBinaries, Reason> {
    download_from(RELEASES, base, progress).await
}

async fn download_from(
    releases: &str,
    base: &Path,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<ServerBinaries, Reason> {
    let done = base.join(format!("server-{VERSION}"));
    if !done.exists() {
        let name = archive_name(std::env::consts::ARCH, std::env::consts::OS)?;
        let url = format!("{releases}/{VERSION}/{name}");
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let target = done.clone();
        let worker = tokio::task::spawn_blocking(move || fetch(&url, &target, &sender));
        while let Some(step) = receiver.recv().await {
            progress(step);
        }
        worker.await.map_err(|error| error.to_string())??;
    }
    ServerBinaries::at(&done.join("bin")).await.map_err(|error| describe(&error))
}

fn describe(error: &EmbeddedError) -> Reason {
    error.detail().map_or_else(|| error.to_string(), |detail| format!("{error}: {detail}"))
}

/// The release's name for this machine's archive.
fn archive_name(arch: &str, os: &str) -> Result<String, Reason> {
    let libc = if Path::new("/etc/alpine-release").exists() { "musl" } else { "gnu" };
    let target = match (arch, os) {
        ("x86_64" | "aarch64", "linux") => format!("{arch}-unknown-linux-{libc}"),
        ("x86_64" | "aarch64", "macos") => format!("{arch}-apple-darwin"),
        _ => return Err(format!("there is no prebuilt server for {os} on {arch}")),
    };
    Ok(format!("postgresql-{VERSION}-{target}.tar.gz"))
}

fn fetch(url: &str, done: &Path, progress: &mpsc::UnboundedSender<Progress>) -> Result<(), Reason> {
    let agent = agent();
    let digest = get_text(&agent, &format!("{url}.sha256"))?;
    let archive = get_bytes(&agent, url, progress)?;
    if !digest.contains(&hex(&Sha256::digest(&archive))) {
        return Err(format!("{url} does not match its published digest"));
    }
    unpack(&archive, done).map_err(|error| format!("could not unpack into {}: {error}", done.display()))
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .timeout_resolve(Some(CONNECT_TIMEOUT))
        .timeout_connect(Some(CONNECT_TIMEOUT))
        .timeout_recv_response(Some(ANSWER_TIMEOUT))
        .timeout_recv_body(Some(BODY_TIMEOUT));
    config.build().into()
}

fn get_text(agent: &ureq::Agent, url: &str) -> Result<String, Reason> {
    let said = agent.get(url).call().and_then(|mut response| response.body_mut().read_to_string());
    said.map_err(|error| format!("{url}: {error}"))
}

fn get_bytes(
    agent: &ureq::Agent,
    url: &str,
    progress: &mpsc::UnboundedSender<Progress>,
) -> Result<Vec<u8>, Reason> {
    let response = agent.get(url).call().map_err(|error| format!("{url}: {error}"))?;
    let bytes_total = response.body().content_length();
    let (mut body, mut bytes) = (response.into_body().into_reader(), Vec::new());
    loop {
        let read = body.by_ref().take(CHUNK_BYTES as u64).read_to_end(&mut bytes);
        if read.map_err(|error| format!("{url}: {error}"))? == 0 {
            return Ok(bytes);
        }
        // Nobody listens once the caller has been cancelled.
        let step = Progress { bytes_done: bytes.len() as u64, bytes_total };
        progress.send(step).map_err(|_| "the download was cancelled")?;
    }
}

/// Unpacks beside the final name, without the archive's top directory, and renames when complete.
fn unpack(archive: &[u8], done: &Path) -> io::Result<()> {
    let unfinished = done.with_extension(format!("unpacking-{}", std::process::id()));
    fs::create_dir_all(&unfinished)?;
    tar::Archive::new(flate2::read::GzDecoder::new(archive)).unpack(&unfinished)?;
    let top = only_child(&unfinished)?;
    let renamed = fs::rename(top, done);
    fs::remove_dir_all(&unfinished)?;
    // Another process may have been faster; its directory is as good.
    if done.exists() { Ok(()) } else { renamed }
}

fn only_child(dir: &Path) -> io::Result<PathBuf> {
    let mut children = fs::read_dir(dir)?;
    match (children.next(), children.next()) {
        (Some(child), None) => Ok(child?.path()),
        _ => Err(io::Error::other("the archive does not hold one directory")),
    }
}

fn hex(digest: &[u8]) -> String {
    use std::fmt::Write as _;
    digest.iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String accepts every write");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;
    use std::io::{BufRead, BufReader, Write};
    use std::net::{Ipv4Addr, TcpListener};
    use std::sync::Mutex;

    use super::*;

    /// Serves these files by the last part of their path; everything else is not found. Returns the URL.
    fn serve(files: HashMap<String, Vec<u8>>) -> String {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let lines = BufReader::new(stream.try_clone().unwrap()).lines();
                let head: Vec<_> = lines.map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
                let name = head[0].split(' ').nth(1).unwrap().rsplit('/').next().unwrap();
                let (status, body) =
                    files.get(name).map_or(("404 Not Found", &[][..]), |file| ("200 OK", &file[..]));
                write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n", body.len()).unwrap();
                stream.write_all(body).unwrap();
            }
        });
        url
    }

    /// An archive of the release's shape, whose programs only know their version.
    fn archive() -> Vec<u8> {
        let script = b"#!/bin/sh\necho 'postgres (PostgreSQL) 18.6'\n";
        let mut tar =
            tar::Builder::new(flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast()));
        for program in ["initdb", "postgres", "pg_ctl"] {
            let mut header = tar::Header::new_gnu();
            header.set_size(script.len() as u64);
            header.set_mode(0o755);
            tar.append_data(&mut header, format!("postgresql-18/bin/{program}"), &script[..]).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn release(archive: Vec<u8>, digest: String) -> HashMap<String, Vec<u8>> {
        let name = archive_name(std::env::consts::ARCH, std::env::consts::OS).unwrap();
        HashMap::from([(format!("{name}.sha256"), digest.into_bytes()), (name, archive)])
    }

    fn base(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("remat-download-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        dir
    }

    #[tokio::test]
    async fn archive_with_its_digest_becomes_a_server() {
        let (base, archive, steps) = (base("good"), archive(), Mutex::new(Vec::new()));
        let length = archive.len() as u64;
        let digest = format!("{}  some-name\n", hex(&Sha256::digest(&archive)));
        let url = serve(release(archive, digest));
        let progress = |step| steps.lock().unwrap().push(step);
        let binaries = download_from(&url, &base, &progress).await.unwrap();
        assert_eq!((binaries.major(), binaries.version()), (18, "18.6"));
        let last = steps.lock().unwrap().last().copied();
        assert_eq!(last, Some(Progress { bytes_done: length, bytes_total: Some(length) }));
        // The second time needs no network.
        assert_eq!(download_from("http://127.0.0.1:1", &base, &|_| ()).await.unwrap(), binaries);
        fs::remove_dir_all(base).unwrap();
    }

    #[tokio::test]
    async fn archive_with_another_digest_is_refused_and_leaves_nothing() {
        let base = base("tampered");
        let url = serve(release(archive(), hex(&Sha256::digest(b"something else"))));
        let reason = download_from(&url, &base, &|_| ()).await.unwrap_err();
        assert!(reason.ends_with("does not match its published digest"), "{reason}");
        assert!(!base.exists());
    }

    #[tokio::test]
    async fn unreachable_host_is_a_reason_at_once() {
        let before = std::time::Instant::now();
        let reason = download_from("http://127.0.0.1:1", &base("unreachable"), &|_| ()).await.unwrap_err();
        assert!(reason.contains("127.0.0.1:1"), "{reason}");
        assert!(before.elapsed() < CONNECT_TIMEOUT + Duration::from_secs(1));
    }

    #[test]
    fn machine_without_a_prebuilt_server_is_told_so() {
        let reason = archive_name("riscv64", "linux").unwrap_err();
        assert_eq!(reason, "there is no prebuilt server for linux on riscv64");
    }
}
