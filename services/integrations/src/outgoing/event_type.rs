//! The platform's event types, each told in the three languages of the platform.

use service_http::Text;

/// A type that an endpoint can subscribe to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventType {
    /// Dotted name.
    pub name: &'static str,
    fa: &'static str,
    fr: &'static str,
    en: &'static str,
}

impl EventType {
    /// What it tells, in each language.
    pub fn description(&self) -> Text {
        Text::i18n(self.fa, self.fr, self.en)
    }
}

const fn event(
    name: &'static str,
    fa: &'static str,
    fr: &'static str,
    en: &'static str,
) -> EventType {
    EventType { name, fa, fr, en }
}

/// Every type, by name.
pub const EVENT_TYPES: [EventType; 35] = [
    event(
        "access.break_glass",
        "پزشک در شرایط اضطراری و بدون کد تأیید بیمار به خلاصهٔ پزشکی او دسترسی یافت.",
        "Un médecin a accédé en urgence (bris de glace) au résumé médical d’un patient, sans le code de celui-ci.",
        "A doctor opened a patient's summary by emergency (break-glass) access, without the patient's code.",
    ),
    event(
        "access.denied",
        "درخواست پزشک برای دیدن خلاصهٔ پزشکی بیمار بدون اعطای دسترسی پایان یافت.",
        "La demande d’un médecin de consulter un résumé médical a pris fin sans autorisation.",
        "A doctor's request for a summary ended without a grant.",
    ),
    event(
        "access.granted",
        "بیمار به پزشک اجازه داد آخرین خلاصهٔ پزشکی او را ببیند.",
        "Un patient a autorisé un médecin à consulter son dernier résumé médical.",
        "A patient gave a doctor access to the latest summary.",
    ),
    event(
        "access.read",
        "پزشک خلاصهٔ پزشکی بیمار را خواند.",
        "Un médecin a consulté le résumé médical d’un patient.",
        "A doctor read a patient's summary.",
    ),
    event(
        "access.revoked",
        "دسترسی پزشک پیش از پایان مهلت آن لغو شد.",
        "L’autorisation d’un médecin a été révoquée avant son expiration.",
        "A doctor's access was revoked before it expired.",
    ),
    event(
        "access_key.created",
        "کلیدهای دسترسی دائمی بیمار ساخته شد.",
        "Les clés d’accès permanentes d’un patient ont été créées.",
        "A patient's permanent access keys were created.",
    ),
    event(
        "access_key.regenerated",
        "کلیدهای دسترسی دائمی بیمار از نو ساخته یا دوباره تحویل داده شد.",
        "Les clés d’accès permanentes d’un patient ont été régénérées ou remises à nouveau.",
        "A patient's permanent access keys were regenerated or handed out again.",
    ),
    event(
        "content.approved",
        "محتوایی تأیید شد.",
        "Un contenu a été approuvé.",
        "A piece of content was approved.",
    ),
    event(
        "content.rejected",
        "محتوایی رد شد.",
        "Un contenu a été rejeté.",
        "A piece of content was rejected.",
    ),
    event(
        "credential.expiring",
        "اعتبارنامهٔ یک ارائه‌دهنده به‌زودی منقضی می‌شود یا منقضی شده است؛ مقدار آن فرستاده نمی‌شود.",
        "Les identifiants d’un fournisseur expirent bientôt ou ont expiré ; leur valeur n’est pas transmise.",
        "A provider's credential expires soon or has expired; its value is not sent.",
    ),
    event(
        "email.delivered",
        "ایمیلی به گیرنده تحویل شد.",
        "Un e-mail a été remis à son destinataire.",
        "An e-mail was delivered to its recipient.",
    ),
    event(
        "email.failed",
        "ایمیلی به گیرنده تحویل نشد.",
        "Un e-mail n’a pas pu être remis à son destinataire.",
        "An e-mail could not be delivered to its recipient.",
    ),
    event(
        "endpoint.disabled",
        "یک نشانی وب‌هوک به‌سبب ناکامی در تحویل غیرفعال شد.",
        "Une adresse de webhook a été désactivée après des échecs de livraison.",
        "A webhook endpoint was disabled because deliveries to it failed.",
    ),
    event(
        "invoice.paid",
        "صورت‌حسابی به‌طور کامل پرداخت شد.",
        "Une facture a été réglée en totalité.",
        "An invoice was paid in full.",
    ),
    event(
        "invoice.status_changed",
        "وضعیت صورت‌حسابی تغییر کرد.",
        "Le statut d’une facture a changé.",
        "The status of an invoice changed.",
    ),
    event(
        "member.changed",
        "عضویت شخصی در سازمان ایجاد شد، تغییر کرد یا پایان یافت.",
        "Un membre de l’organisation a été ajouté, modifié ou retiré.",
        "A membership of the organisation was created, changed or ended.",
    ),
    event(
        "otp.issued",
        "یک کد یک‌بارمصرف صادر شد؛ نه کد فرستاده می‌شود و نه شمارهٔ تلفن.",
        "Un code à usage unique a été émis ; ni le code ni le numéro ne sont transmis.",
        "A one-time code was issued; neither the code nor the phone number is sent.",
    ),
    event(
        "payment.amended",
        "پرداخت ثبت‌شده در پذیرش اصلاح شد.",
        "Un paiement enregistré à l’accueil a été corrigé.",
        "A payment recorded at the desk was corrected.",
    ),
    event(
        "payment.expired",
        "مهلت یک پرداخت برخط پیش از انجام آن به پایان رسید.",
        "Un paiement en ligne a expiré avant d’être effectué.",
        "An online payment expired before it was made.",
    ),
    event(
        "payment.failed",
        "یک پرداخت برخط ناموفق ماند یا لغو شد.",
        "Un paiement en ligne a échoué ou a été annulé.",
        "An online payment failed or was cancelled.",
    ),
    event(
        "payment.recorded",
        "پرداختی برای یک صورت‌حساب ثبت شد.",
        "Un paiement a été enregistré sur une facture.",
        "A payment was recorded on an invoice.",
    ),
    event(
        "payment.refunded",
        "همه یا بخشی از وجه یک پرداخت بازگردانده شد.",
        "Un paiement a été remboursé, en totalité ou en partie.",
        "A payment was refunded, in full or in part.",
    ),
    event(
        "payment.success",
        "درگاه پرداخت، یک پرداخت برخط را تأیید کرد.",
        "Un paiement en ligne a été confirmé par le prestataire de paiement.",
        "An online payment was confirmed by its provider.",
    ),
    event(
        "payment.voided",
        "پرداخت ثبت‌شده در پذیرش باطل شد.",
        "Un paiement enregistré à l’accueil a été annulé.",
        "A payment recorded at the desk was voided.",
    ),
    event(
        "provider.recovered",
        "بررسی سلامت یک ارائه‌دهنده دوباره موفق است.",
        "Un fournisseur passe de nouveau les contrôles de santé.",
        "A provider passes its health checks again.",
    ),
    event(
        "provider.unhealthy",
        "سه بررسی پیاپی سلامت یک ارائه‌دهنده ناموفق بود یا موجودی حساب آن رو به پایان است.",
        "Un fournisseur a échoué à trois contrôles de santé consécutifs ou le solde de son compte est faible.",
        "A provider failed three health checks in a row, or its account runs low.",
    ),
    event(
        "reconciliation.alarmed",
        "مغایرت‌گیری میان درگاه پرداخت، پرداخت‌ها و دفتر کل اختلافی نشان داد.",
        "Le rapprochement a révélé un écart entre le prestataire, les paiements et le grand livre.",
        "Reconciliation found a discrepancy between provider, payments and ledger.",
    ),
    event(
        "report.released",
        "گزارشی در دسترس بیمار قرار گرفت.",
        "Un compte rendu a été mis à la disposition de son patient.",
        "A report was released to its patient.",
    ),
    event(
        "session.revoked",
        "یک نشست یا همهٔ نشست‌های یک شخص باطل شد.",
        "Une session a été révoquée, ou toutes celles d’une personne.",
        "A session, or every session of a person, was revoked.",
    ),
    event(
        "sms.delivered",
        "پیامکی به گیرنده تحویل شد.",
        "Un SMS a été remis à son destinataire.",
        "A text message was delivered to its recipient.",
    ),
    event(
        "sms.failed",
        "پیامکی به گیرنده تحویل نشد.",
        "Un SMS n’a pas pu être remis à son destinataire.",
        "A text message could not be delivered to its recipient.",
    ),
    event(
        "summary.created",
        "خلاصهٔ یک گفت‌وگو ساخته شد.",
        "Un résumé de conversation a été créé.",
        "A summary of a conversation was created.",
    ),
    event(
        "wallet.credited",
        "مبلغی به یک کیف پول واریز شد.",
        "Un portefeuille a été crédité.",
        "A wallet was credited.",
    ),
    event(
        "wallet.debited",
        "مبلغی از یک کیف پول برداشت شد.",
        "Un portefeuille a été débité.",
        "A wallet was debited.",
    ),
    event(
        "webhook.received",
        "وب‌هوک یک ارائه‌دهنده با امضای معتبر دریافت شد.",
        "Un webhook d’un fournisseur a été reçu avec une signature valide.",
        "A provider's webhook arrived with a valid signature.",
    ),
];

/// Whether this name is one of the platform's types.
pub fn is_known(name: &str) -> bool {
    EVENT_TYPES.iter().any(|kind| kind.name == name)
}
