//! What each type of outgoing event tells, in the reader's language.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;

use crate::{
    outgoing_support::call,
    support::{World, answer},
};

/// Description and whether it is the organisation's own, by name, as a caller of this `Accept-Language` reads them.
async fn told(world: &World, language: Option<&str>) -> BTreeMap<String, (String, bool)> {
    let mut request = world
        .service
        .get("/api/integrations/event-types/?page_size=100")
        .bearer_auth(world.admin());
    if let Some(language) = language {
        request = request.header("accept-language", language);
    }
    let (status, list) = answer(request).await;
    assert_eq!((status, &list["next"]), (200, &json!(null)), "{list}");
    let told: BTreeMap<_, _> = list["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|kind| {
            let text = |member: &str| kind[member].as_str().unwrap().to_owned();
            let own = kind["custom"].as_bool().unwrap();
            (text("name"), (text("description"), own))
        })
        .collect();
    assert_eq!(list["count"], told.len());
    told
}

fn is_arabic_script(c: char) -> bool {
    ('\u{600}'..='\u{6ff}').contains(&c)
}

#[tokio::test]
async fn each_type_of_the_platform_is_described_in_three_languages() {
    let world = World::start().await;
    let fa = told(&world, Some("fa")).await;
    let fr = told(&world, Some("fr")).await;
    let en = told(&world, Some("en")).await;
    assert!(fa.len() >= 30, "{fa:?}");
    assert!(fa.keys().eq(fr.keys()) && fa.keys().eq(en.keys()));
    for (name, (persian, own)) in &fa {
        let (french, english) = (&fr[name].0, &en[name].0);
        assert!(!own, "{name}");
        let different = BTreeSet::from([persian, french, english]);
        assert_eq!(different.len(), 3, "{name}: {different:?}");
        assert!(persian.chars().any(is_arabic_script), "{name}: {persian}");
        // Persian has its own yeh and kaf; a search for them does not find the Arabic ones.
        assert!(!persian.contains(['ي', 'ك']), "{name}: {persian}");
        for latin in [french, english] {
            assert!(
                latin.chars().any(char::is_alphabetic) && !latin.chars().any(is_arabic_script),
                "{name}: {latin}"
            );
        }
    }
    assert_eq!(told(&world, Some("fr-CA, en;q=0.5")).await, fr);
    assert_eq!(told(&world, Some("de")).await, en);
    assert_eq!(told(&world, None).await, en);
}

#[tokio::test]
async fn an_organisations_own_type_says_what_was_written_in_every_language() {
    let world = World::start().await;
    let written = "نمونهٔ آزمایش گرفته شد / sample taken";
    let kind = json!({"name": "lab.sample_taken", "description": written});
    assert_eq!(call(&world, "POST", "event-types/", kind).await.0, 201);
    for language in ["fa", "fr", "en"] {
        let told = told(&world, Some(language)).await;
        assert_eq!(told["lab.sample_taken"], (written.to_owned(), true));
    }
}
