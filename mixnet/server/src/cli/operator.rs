//! `talariad hop init` and `talariad entry init`: one server of a network of several operators.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;
use talaria_server::setup::operator::{Made, Operated};
use talaria_server::setup::{DataFolder, next_port};
use talaria_wire::network_file::Role;

use super::display::{line, object};
use super::failure::Failure;

#[derive(Subcommand)]
pub(super) enum HopCommand {
    /// Make keys and a configuration, and print the public part for the network file.
    ///
    /// Keys and a configuration that are there already are kept. Back up DIR/identity.key: without
    /// it nobody can ever sign for this server again.
    Init(InitArgs),
}

#[derive(Subcommand)]
pub(super) enum EntryCommand {
    /// Make keys and a configuration, and print the public part for the network file.
    ///
    /// Keys and a configuration that are there already are kept. Back up DIR/identity.key: without
    /// it nobody can ever sign for this server again; and DIR/identity, which holds the users.
    Init(EntryArgs),
}

#[derive(Args)]
pub(super) struct EntryArgs {
    #[command(flatten)]
    server: InitArgs,
    /// The address of the identity service, for the network file [default: the host of the
    /// entry's address, and the next port].
    #[arg(long, value_name = "HOST:PORT")]
    identity_address: Option<String>,
}

#[derive(Args)]
pub(super) struct InitArgs {
    /// Where keys and files are kept.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Your name, for the network file: letters, digits, space and . _ @ -
    #[arg(long, value_name = "NAME")]
    operator: String,
    /// Where the server listens.
    #[arg(long, value_name = "ADDR")]
    listen: SocketAddr,
    /// The address for the network file [default: that of --listen].
    #[arg(long, value_name = "HOST:PORT")]
    address: Option<String>,
}

impl InitArgs {
    fn operated(self) -> Result<(PathBuf, Operated), Failure> {
        let Self { data, operator, listen, address } = self;
        if address.is_none() && (listen.ip().is_unspecified() || listen.port() == 0) {
            return Err("others need an address to connect to: add --address HOST:PORT".into());
        }
        let address = address.unwrap_or_else(|| listen.to_string());
        Ok((data, Operated { operator, address, listen }))
    }
}

pub(super) fn hop(command: HopCommand, as_json: bool) -> Result<(), Failure> {
    let HopCommand::Init(args) = command;
    let (data, operated) = args.operated()?;
    show(&DataFolder::open(&data)?.init_hop(operated)?, as_json);
    Ok(())
}

pub(super) fn entry(command: EntryCommand, as_json: bool) -> Result<(), Failure> {
    let EntryCommand::Init(EntryArgs { server, identity_address }) = command;
    let (data, operated) = server.operated()?;
    let identity = identity_address
        .or_else(|| next_port(&operated.address))
        .ok_or("the identity service needs an address: add --identity-address HOST:PORT")?;
    show(&DataFolder::open(&data)?.init_entry(operated, identity)?, as_json);
    Ok(())
}

fn show(made: &Made, as_json: bool) {
    let (role, operator, address, key, service) = match made.part.role() {
        Role::Entry(info, service) => {
            ("entry", &info.operator, &info.address, &info.identity, Some(service))
        }
        Role::Hop(info) => ("hop", &info.operator, &info.address, &info.identity, None),
    };
    if as_json {
        let mut fields = json!({
            "role": role, "operator": operator, "address": address,
            "identity": hex::encode(key.to_bytes()), "public_part": made.public_part,
            "config": made.config, "kept_key": made.kept_key, "kept_config": made.kept_config,
        });
        if let Some(service) = service {
            fields["identity_address"] = json!(service.address);
            fields["directory_key"] = json!(hex::encode(service.key.to_bytes()));
        }
        return object("server_initialised", fields);
    }
    line(made.part.to_toml().trim_end());
    line("");
    if made.kept_key {
        line("The key that was there is kept.");
    }
    if made.kept_config {
        line(&format!("{} was there, and is kept as it is.", made.config.display()));
    }
    let public_part = made.public_part.display();
    line(&format!("Send {public_part} to whoever makes the network file."));
    line("Back up identity.key: without it nobody can sign for this server again.");
}
