//! `sms/sendarray`: JSON arrays inside form fields, all of one length.

use serde_json::Value;

use super::{
    http::{Parameters, deliver, entry, line, required},
    rules,
    store::Accepted,
};
use crate::server::Simulators;

const MOST: usize = 200;

/// A field that holds a JSON array, as texts; anything else is a missing parameter.
fn array(given: &Parameters, name: &str) -> Result<Vec<String>, u16> {
    let values: Vec<Value> = serde_json::from_str(required(given, name)?).map_err(|_| 400_u16)?;
    Ok(values
        .into_iter()
        .map(|value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        })
        .collect())
}

pub(super) fn send(state: &Simulators, given: &Parameters) -> Result<Value, u16> {
    let behaviour = state.kavenegar.behaviour();
    let receptors = array(given, "receptor")?;
    let senders = array(given, "sender")?;
    let messages = array(given, "message")?;
    let localids = match given.get("localmessageids") {
        Some(_) => array(given, "localmessageids")?
            .iter()
            .map(|id| id.parse().map(Some).map_err(|_| 400_u16))
            .collect::<Result<Vec<Option<i64>>, u16>>()?,
        None => vec![None; receptors.len()],
    };
    if receptors.len() > MOST {
        return Err(412);
    }
    let same = [senders.len(), messages.len(), localids.len()]
        .iter()
        .all(|length| *length == receptors.len());
    if !same {
        return Err(419);
    }
    let wanted = receptors
        .iter()
        .zip(&senders)
        .zip(messages)
        .zip(localids)
        .map(|(((receptor, sender), message), localid)| {
            if message.is_empty() || message.chars().count() > 900 {
                return Err(413);
            }
            Ok(Accepted {
                receptor: rules::receptor(receptor).ok_or(411_u16)?,
                message,
                sender: line(&behaviour, Some(sender))?,
                date: None,
                localid,
                by_template: false,
                by_call: false,
            })
        })
        .collect::<Result<Vec<_>, u16>>()?;
    let accepted = state.kavenegar.accept(wanted)?;
    deliver(state, &accepted)?;
    Ok(accepted
        .iter()
        .map(|(message, _)| entry(message, 1))
        .collect())
}
