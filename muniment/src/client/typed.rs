//! The operations as the build typed them from `operations/*.graphql` and `schema.graphql`.

use graphql_client::GraphQLQuery;

use super::uploads::UploadOutcome;
use super::{CheckStatus, ExportStatus, FixityOutcome, TransferStatus, UploadKind, VersionStatus};

type BigInt = u64;
type DateTime = chrono::DateTime<chrono::Utc>;
#[expect(
    clippy::upper_case_acronyms,
    reason = "the scalar's name in the schema"
)]
type JSON = serde_json::Value;

macro_rules! operations {
    ($($name:ident from $path:tt;)*) => {$(
        #[derive(GraphQLQuery)]
        #[graphql(
            schema_path = "../schema.graphql",
            query_path = $path,
            response_derives = "Debug",
            skip_serializing_none,
            extern_enums(
                "CheckStatus", "ExportStatus", "FixityOutcome", "TransferStatus", "UploadKind",
                "UploadOutcome", "VersionStatus"
            )
        )]
        pub(super) struct $name;
    )*

        /// The documents of all operations, as they are sent. One file may hold several.
        pub(crate) fn documents() -> &'static [&'static str] {
            &[$(include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/", $path))),*]
        }
    };
}

operations! {
    Viewer from "src/client/operations/transfers.graphql";
    CollectionByCode from "src/client/operations/transfers.graphql";
    FindTransfers from "src/client/operations/transfers.graphql";
    OpenTransfer from "src/client/operations/transfers.graphql";
    SubmitTransfer from "src/client/operations/transfers.graphql";
    TransferState from "src/client/operations/transfers.graphql";
    AddRecords from "src/client/operations/uploads.graphql";
    AddVersion from "src/client/operations/uploads.graphql";
    UploadTicket from "src/client/operations/uploads.graphql";
    UploadParts from "src/client/operations/uploads.graphql";
    CompleteUploads from "src/client/operations/uploads.graphql";
    Verdicts from "src/client/operations/verdicts.graphql";
    Waiting from "src/client/operations/verdicts.graphql";
    RequestExport from "src/client/operations/exports.graphql";
    ExportState from "src/client/operations/exports.graphql";
    VerifyNow from "src/client/operations/fixity.graphql";
    FixityRunState from "src/client/operations/fixity.graphql";
    FixityFindings from "src/client/operations/fixity.graphql";
    CancelExport from "src/client/operations/exports.graphql";
}
