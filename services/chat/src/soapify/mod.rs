//! The two lookups that CrazyMiner asks of SOAPify (wire.md 2.4), for partners with an API key of
//! scope `soapify.read` and for services. Each answer leaves an audit row first.

pub(crate) mod http;
