//! The services behind the gateway, called by the contract: messages go in and out as they are, under
//! the caller's own token.

use std::collections::{BTreeMap, HashMap};

use chassis::{
    auth::Caller,
    client::{self, Channel},
    error::Error,
    tls::Tls,
};
use futures::Stream;
use http::uri::PathAndQuery;
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use tonic::{
    Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
};

/// The four services.
pub const SERVICES: [&str; 4] = ["households", "workflow", "comparison", "measures"];

/// Channels to the services.
#[derive(Debug, Clone)]
pub struct Peers {
    channels: HashMap<&'static str, Channel>,
}

impl Peers {
    /// Connects to each service when it is first called.
    ///
    /// # Errors
    /// A service without a URL, or a URL that is none.
    pub fn connect(urls: &BTreeMap<String, String>, tls: Option<Tls>) -> anyhow::Result<Self> {
        let peers = client::Peers::new(urls, "peers", tls);
        let channel = |service: &'static str| Ok((service, peers.channel(service)?));
        let channels = SERVICES
            .into_iter()
            .map(channel)
            .collect::<anyhow::Result<_>>()?;
        Ok(Self { channels })
    }

    fn grpc(&self, method: &MethodDescriptor) -> Result<(Grpc<Channel>, PathAndQuery), Error> {
        let service = method.parent_service();
        let name = service.package_name().split('.').nth(1).unwrap_or_default();
        self.grpc_at(name, method)
    }

    fn grpc_at(
        &self,
        name: &str,
        method: &MethodDescriptor,
    ) -> Result<(Grpc<Channel>, PathAndQuery), Error> {
        let service = method.parent_service();
        let missing = || Error::Internal(anyhow::anyhow!("no channel for {name}"));
        let channel = self.channels.get(name).ok_or_else(missing)?;
        let path = format!("/{}/{}", service.full_name(), method.name());
        let path = path.parse().map_err(|_| missing())?;
        Ok((Grpc::new(channel.clone()), path))
    }

    /// One message for one.
    pub async fn call(
        &self,
        caller: &Caller,
        method: &MethodDescriptor,
        message: DynamicMessage,
    ) -> Result<DynamicMessage, Error> {
        call(self.grpc(method)?, caller, method, message).await
    }

    /// The same of a service of which every process has one.
    pub async fn call_at(
        &self,
        service: &str,
        caller: &Caller,
        method: &MethodDescriptor,
        message: DynamicMessage,
    ) -> Result<DynamicMessage, Error> {
        call(self.grpc_at(service, method)?, caller, method, message).await
    }

    /// A stream of messages for one. An error in it resets the call: the service sees that what came is
    /// not whole.
    pub async fn upload(
        &self,
        caller: &Caller,
        method: &MethodDescriptor,
        messages: impl Stream<Item = Result<DynamicMessage, Status>> + Send + 'static,
    ) -> Result<DynamicMessage, Error> {
        let (mut grpc, path) = self.grpc(method)?;
        ready(&mut grpc).await?;
        let request = client::authorise_stream(caller, messages);
        let answer = grpc
            .client_streaming(request, path, Dynamic(method.output()))
            .await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| Error::from_status(&status))
    }

    /// One message for a stream.
    pub async fn subscribe(
        &self,
        caller: &Caller,
        method: &MethodDescriptor,
        message: DynamicMessage,
    ) -> Result<Streaming<DynamicMessage>, Error> {
        let (mut grpc, path) = self.grpc(method)?;
        ready(&mut grpc).await?;
        let request = client::authorise_stream(caller, Ok(message));
        let answer = grpc
            .server_streaming(request, path, Dynamic(method.output()))
            .await;
        answer
            .map(tonic::Response::into_inner)
            .map_err(|status| Error::from_status(&status))
    }
}

async fn call(
    (mut grpc, path): (Grpc<Channel>, PathAndQuery),
    caller: &Caller,
    method: &MethodDescriptor,
    message: DynamicMessage,
) -> Result<DynamicMessage, Error> {
    ready(&mut grpc).await?;
    let request = client::authorise(caller, Ok(message));
    let answer = grpc.unary(request, path, Dynamic(method.output())).await;
    answer
        .map(tonic::Response::into_inner)
        .map_err(|status| Error::from_status(&status))
}

async fn ready(grpc: &mut Grpc<Channel>) -> Result<(), Error> {
    grpc.ready()
        .await
        .map_err(|_| Error::Unavailable { what: "service" })
}

/// Reads and writes messages that are known by their descriptor.
#[derive(Debug, Clone)]
struct Dynamic(MessageDescriptor);

impl Codec for Dynamic {
    type Encode = Result<DynamicMessage, Status>;
    type Decode = DynamicMessage;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        self.clone()
    }

    fn decoder(&mut self) -> Self {
        self.clone()
    }
}

impl Encoder for Dynamic {
    type Item = Result<DynamicMessage, Status>;
    type Error = Status;

    fn encode(&mut self, item: Self::Item, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        item?
            .encode(buffer)
            .map_err(|error| Status::internal(error.to_string()))
    }
}

impl Decoder for Dynamic {
    type Item = DynamicMessage;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<DynamicMessage>, Status> {
        let message = DynamicMessage::decode(self.0.clone(), buffer);
        message
            .map(Some)
            .map_err(|error| Status::internal(error.to_string()))
    }
}
