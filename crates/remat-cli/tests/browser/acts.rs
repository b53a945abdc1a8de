//! What a person does: pauses, defines, creates, edits, deletes, runs a job.

use remat::name::RelationName;

use crate::site::Site;

#[tokio::test]
async fn a_view_is_paused_with_a_reason_and_resumed() {
    let site = Site::start().await;
    site.go("/views/public/daily");
    site.browser.click(&site.browser.find_text("Pause"));
    site.browser.type_into(&site.browser.find("#reason"), "until the audit is over");
    site.browser.click(&site.browser.find_text("Pause it"));
    site.browser.wait_for_text("until the audit is over");
    site.browser.wait_for_text("Paused by local");
    site.browser.click(&site.browser.find(".head form[action$='/resume'] button"));
    site.browser.wait_for_text("The view is refreshed again.");
}

#[tokio::test]
async fn a_view_is_defined_with_its_plan_edited_and_deleted() {
    let site = Site::start().await;
    site.go("/views");
    site.browser.click(&site.browser.find_text("Define a view"));
    site.browser.type_into(&site.browser.find("#name"), "monthly");
    site.browser.type_into(
        &site.browser.find("#query"),
        "select date_trunc('month', day) as month, sum(cents) as cents from sales group by 1",
    );
    site.browser.type_into(&site.browser.find("#tags"), "sales, new");
    site.browser.click(&site.browser.find_text("Show what follows"));
    site.browser.wait_for_text("Nothing is changed yet.");
    assert!(site.browser.text().contains("create public.monthly"), "{}", site.browser.text());
    site.browser.click(&site.browser.find_text("Do it"));
    site.browser.wait_for("its page is shown", || site.path() == "/views/public/monthly");
    let name = RelationName::new("public", "monthly").unwrap();
    assert_eq!(site.world.remat.view(&name).await.unwrap().definition.tags, ["sales", "new"]);

    site.browser.click(&site.browser.find_text("Edit"));
    site.browser.wait_for("the form is shown", || site.path().ends_with("/edit"));
    site.browser.eval("document.getElementById('query').value = 'select count(*) as n from sales'");
    site.browser.click(&site.browser.find_text("Show what follows"));
    site.browser.find(".diff .add");
    site.browser.find(".diff .del");
    site.browser.eval("for (const box of document.querySelectorAll('[name=sure]')) box.checked = true");
    site.browser.click(&site.browser.find_text("Do it"));
    site.browser.wait_for_text("The definition is saved.");
    assert_eq!(site.world.remat.view(&name).await.unwrap().version, 2);

    site.browser.click(&site.browser.find_text("Delete"));
    site.browser.type_into(&site.browser.find("#sure"), "monthly");
    site.browser.click(&site.browser.find_text("Delete it"));
    site.browser.wait_for("it is deleted", || {
        site.browser.eval("return document.querySelector('.title .chip').innerText.trim()") == "success"
    });
    site.go("/views/public/monthly");
    site.browser.click(&site.browser.find_text("Create"));
    site.browser.wait_for("it is created", || {
        site.browser.eval("return document.querySelector('.title .chip').innerText.trim()") == "success"
    });
}

#[tokio::test]
async fn what_is_wrong_with_a_definition_is_said_above_the_form_that_keeps_it() {
    let site = Site::start().await;
    site.go("/views/new");
    site.browser.type_into(&site.browser.find("#name"), "bad");
    site.browser.type_into(&site.browser.find("#query"), "delete from sales");
    site.browser.click(&site.browser.find_text("Show what follows"));
    site.browser.find("[role=alert]");
    assert_eq!(
        site.browser.eval("return document.getElementById('query').value.trim()"),
        "delete from sales"
    );
}

#[tokio::test]
async fn a_scheduled_job_runs_now() {
    let site = Site::start().await;
    site.go("/schedule");
    site.browser.click(&site.browser.find_text("Run now"));
    site.browser.wait_for("its run is shown", || site.path().starts_with("/runs/"));
    site.browser.wait_for("it is a success", || {
        site.browser.eval("return document.querySelector('.title .chip').innerText.trim()") == "success"
    });
    assert!(site.browser.text().contains("job cleanup"), "{}", site.browser.text());
}

#[tokio::test]
async fn a_failure_says_why_and_what_to_do() {
    let site = Site::start().await;
    site.go("/");
    site.browser.wait_for_text("broken");
    site.browser.click(&site.browser.find_text("Why"));
    site.browser.wait_for("its run is shown", || site.path().starts_with("/runs/"));
    let text = site.browser.text();
    assert!(
        text.contains("22012") && text.contains("What to do") && text.contains("division by zero"),
        "{text}"
    );
}

#[tokio::test]
async fn the_graph_is_searched_and_narrowed() {
    let site = Site::start().await;
    site.go("/graph?focus=public.daily&depth=1");
    site.browser.find("a.node.focus");
    let names = site.browser.eval(
        "return [...document.querySelectorAll('.node title')].map((title) => title.textContent).join('; ')",
    );
    let names = names.as_str().unwrap();
    assert!(
        names.contains("public.weekly") && names.contains("public.sales") && !names.contains("resting"),
        "{names}"
    );
}
