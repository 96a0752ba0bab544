//! The role matrix on one screen (cimef.md 2.8; its flags 5 and 18 settled).

use common_types::ClinicRole::{self, Accountant, Admin, Doctor, Secretary};

use super::Action;

macro_rules! actions {
    ($($name:ident $text:literal [$($role:ident),*] $($sensitive:literal)?;)*) => {
        $(
            #[doc = concat!("`", $text, "`")]
            #[derive(Debug)]
            pub(crate) struct $name;
            impl Action for $name {
                const NAME: &'static str = $text;
                const ROLES: &'static [ClinicRole] = &[$($role),*];
                $(const SENSITIVE: bool = $sensitive;)?
            }
        )*
    };
}

actions! {
    ReadPatients "patients.read" [Admin, Doctor, Secretary, Accountant];
    WritePatients "patients.write" [Admin, Doctor, Secretary];
    DeletePatients "patients.delete" [Admin, Secretary];
    ManageKeys "keys.manage" [Admin, Doctor, Secretary, Accountant] true;
    ReadExamTypes "exam_types.read" [Admin, Doctor, Secretary, Accountant];
    WriteExamTypes "exam_types.write" [Admin];
    ReadExaminations "examinations.read" [Admin, Doctor, Secretary, Accountant];
    WriteExaminations "examinations.write" [Admin, Doctor, Secretary];
    ListInvoices "invoices.list" [Admin, Doctor, Secretary, Accountant];
    ReadInvoices "invoices.read" [Admin, Secretary, Accountant];
    CreateInvoices "invoices.create" [Admin, Secretary, Accountant];
    EditInvoices "invoices.edit" [Admin, Accountant];
    PrintInvoices "invoices.print" [Admin, Secretary, Accountant] true;
    ListPayments "payments.list" [Admin, Doctor, Secretary, Accountant];
    ReadPayments "payments.read" [Admin, Secretary, Accountant];
    RecordPayments "payments.record" [Admin, Secretary, Accountant] true;
    EditPayments "payments.edit" [Admin, Accountant] true;
    ReadReports "reports.read" [Admin, Doctor, Secretary];
    WriteReports "reports.write" [Admin, Doctor, Secretary];
    ReadStats "stats.read" [Admin];
}
