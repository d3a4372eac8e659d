//! The one suite that every store passes: each function states one guarantee of the ports.
//!
//! A store's tests run all of it through [`crate::ledger_conformance`],
//! [`crate::blobs_conformance`] and [`crate::jobs_conformance`], which make one test of each function.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::missing_panics_doc)] // these are tests

pub mod blobs;
pub mod changes;
pub mod fixtures;
pub mod intents;
pub mod jobs;
pub mod listings;
pub mod loading;
pub mod publishing;
pub mod races;

/// Makes a test of every guarantee of [`crate::ports::Ledger`].
///
/// `$make` is called as `$make().await` in a multi-threaded tokio runtime and answers a pair: an
/// empty ledger as `Arc<dyn Ledger>`, and whatever must live as long as it (a temporary folder).
#[macro_export]
macro_rules! ledger_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { $make, intents:
            an_intent_is_opened_and_read_back,
            the_same_request_of_the_same_run_finds_its_intent,
            another_run_or_other_content_opens_another_intent,
            an_expired_intent_is_not_found_again,
            a_request_without_a_digest_is_found_by_its_token_only,
            a_token_opens_one_intent,
            a_released_version_answers_before_anything_else,
            open_intents_are_bounded,
            intents_in_ten_minutes_are_bounded,
            quotas_count_each_publisher_alone,
            a_sweep_drops_what_expired_and_nothing_else,
        }
        $crate::conformance_tests! { $make, publishing:
            a_release_is_visible_after_commit_and_not_before,
            every_step_may_be_repeated,
            the_same_bytes_are_the_same_release,
            other_bytes_find_the_version_taken,
            an_intent_expires_at_its_second,
            a_train_expires_at_its_second,
            a_reservation_holds_until_it_expires,
            a_token_confirms_one_intent,
            a_token_is_good_for_one_purpose,
            a_release_that_is_no_member_is_refused,
            a_train_waits_for_all_its_members,
            a_train_of_sixty_is_visible_at_once,
            dependencies_come_first_in_the_feed,
            a_member_that_was_released_before_counts_as_done,
            a_package_stays_with_its_repository,
            an_owner_stays_with_its_owner,
            a_refused_member_keeps_its_train_invisible,
            look_alikes_of_other_owners_are_refused,
            a_native_name_goes_to_the_first,
            a_reserved_native_name_waits_for_its_holder,
            a_head_remembers_bound_audiences,
            a_token_publishes_without_pinning,
            an_import_pins_nobody_and_the_first_job_after_it_does,
        }
        $crate::conformance_tests! { $make, changes:
            marks_come_and_go,
            a_mark_that_says_nothing_new_changes_nothing,
            a_removed_version_is_never_free_again,
            events_form_one_feed_and_a_chain_for_each_package,
            a_head_can_be_made_ahead,
            a_head_changes_only_from_the_sequence_that_was_read,
            a_change_of_a_head_may_be_repeated,
            a_native_name_can_be_handed_over,
            reservations_are_kept_by_name,
            tokens_are_kept_and_revoked,
            downloads_add_up,
            advisories_are_kept_until_others_are,
            packages_are_paged_in_order,
            blobs_know_their_holders,
            the_generation_tells_of_changes,
        }
        $crate::conformance_tests! { $make, listings:
            a_listing_is_put_changed_and_taken_out,
            a_listing_belongs_to_its_token,
            a_number_of_a_listing_is_never_given_again,
            a_change_of_a_listing_may_be_repeated,
            a_package_takes_the_name_of_a_listing,
            a_reserved_name_takes_no_listing,
            listings_and_native_names_are_paged_in_order,
            of_many_listings_of_one_name_one_is_put,
        }
        $crate::conformance_tests! { $make, loading:
            a_loaded_ledger_reads_as_the_one_that_was_dumped,
            loading_again_changes_nothing,
            what_went_on_here_is_not_turned_back,
            what_contradicts_the_ledger_is_refused,
        }
        $crate::conformance_tests! { $make, races:
            of_fifty_publishes_with_other_bytes_one_wins,
            fifty_publishes_of_the_same_bytes_are_one_release,
            trains_that_share_a_version_do_not_mix,
            events_have_no_gaps_under_load,
        }
    };
}

/// Makes a test of every guarantee of [`crate::ports::Blobs`].
///
/// `$make().await` answers a pair: an empty store as `Arc<S>` where `S` is [`crate::ports::Blobs`]
/// and [`crate::uploads::Staging`], and whatever must live as long as it.
#[macro_export]
macro_rules! blobs_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { $make, blobs:
            what_is_uploaded_can_be_pinned_read_and_promoted,
            an_upload_works_once,
            an_upload_of_other_length_or_bytes_is_refused,
            a_pinned_version_is_gone_after_a_discard,
            a_promotion_checks_the_digest,
            promotion_may_be_repeated,
            a_blob_is_stored_once,
            ranges_are_read_exactly,
            a_blob_survives_its_staging,
            a_deleted_blob_is_gone,
            of_many_uploads_at_once_one_is_kept,
        }
    };
}

/// Makes a test of every guarantee of [`crate::ports::Jobs`].
///
/// `$make().await` answers a pair: an empty queue as `Arc<Timed<J>>` with
/// [`crate::conformance::jobs::Timed`], and whatever must live as long as it.
#[macro_export]
macro_rules! jobs_conformance {
    ($make:expr) => {
        $crate::conformance_tests! { $make, jobs:
            a_job_is_done_once,
            a_job_whose_worker_died_is_done_by_another,
            a_job_that_comes_while_it_is_done_is_done_again,
            a_job_that_failed_rests,
            a_job_that_always_fails_is_given_up,
            of_many_takers_each_job_has_one,
            reviews_of_several_pull_requests_are_several,
        }
    };
}

/// What the macros above expand to.
#[doc(hidden)]
#[macro_export]
macro_rules! conformance_tests {
    ($make:expr, $module:ident: $($name:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $name() {
                let (store, _alive) = $make().await;
                $crate::conformance::$module::$name(store).await;
            }
        )+
    };
}
