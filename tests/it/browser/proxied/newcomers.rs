//! Somebody whom the tenant has only just created, through our server (Qlik Cloud facts, section F.5).

use std::time::Duration;

use qlik_embed_bff::demo::{NoAccess, Race};

use super::{Place, SIBLING, is_ready};

#[tokio::test(flavor = "multi_thread")]
async fn a_new_visitor_waits_through_our_server_too() {
    let place = Place::of_flow(Some("proxy"), Some(SIBLING)).await;
    let (scene, window) = (&place.scene, &place.window);
    let control = scene.tenant.control();
    let race = Race { lasts: Duration::from_secs(60), signal: NoAccess::CloseAfterConnect };
    control.change(|settings| settings.switches.race = Some(race));
    window.sign_in(scene, "ada").await;
    window.until_state("preparing").await;
    control.shift_clock(time::Duration::minutes(1));
    is_ready(window).await;
    assert_eq!(control.logins().len(), 1);
    place.window.close().await;
}
