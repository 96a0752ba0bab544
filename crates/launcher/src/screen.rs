//! The one screen after the start: addresses, people, how to go on.

use crate::layout::Layout;
use crate::services::PortPlan;
use crate::ui;

/// The demo people: who, phone number, user name.
pub const PEOPLE: [(&str, &str); 7] = [
    ("admin", "09120000000"),
    ("doctor", "09120000001"),
    ("secretary", "09120000002"),
    ("accountant", "09120000003"),
    ("writer", "09120000004"),
    ("editor", "09120000005"),
    ("patient", "09120000010"),
];

/// The phone of one demo person.
pub fn phone_of(who: &str) -> &'static str {
    PEOPLE
        .iter()
        .find(|(name, _)| *name == who)
        .map_or("", |(_, phone)| phone)
}

/// Prints the screen.
pub fn show(layout: &Layout, ports: &PortPlan) {
    let base = format!("http://localhost:{}", ports.gateway);
    ui::line("");
    ui::line("  Tabib is ready.");
    ui::line("");
    ui::line(format!("    web               {base}/"));
    ui::line(format!("    API documents     {base}/api/docs/"));
    ui::line(format!("    SMS and e-mail    {base}/dev/inbox"));
    ui::line("");
    ui::line("  Everybody logs in by phone number; the code arrives in the inbox above.");
    ui::line("");
    for (who, phone) in PEOPLE {
        ui::line(format!("    {who:<12} {phone}"));
    }
    ui::line("");
    ui::line("  In another terminal (binary: target/debug/tabib):");
    ui::line("    tabib demo        the story of one clinic day, ten steps through the gateway");
    ui::line("    tabib status      what runs       tabib logs portal -f    its log");
    ui::line("    tabib doctor      what is wrong   tabib stop              stop everything");
    ui::line("");
    ui::line(format!("  Data and logs are in {}.", layout.data.display()));
    ui::line("  Ctrl-C stops everything that was started here; the data stays.");
    ui::line("");
}
