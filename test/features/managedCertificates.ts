import { built, type FeatureTopic } from './feature.ts'

const downloads = 'console-certificates: are the certificate, its chain, and PKCS #7, under a safe name'
const pfx = 'console-new-keys: is downloaded as a PFX that openssl opens with the password that was shown: %s'
const noPfx = 'console-new-keys: is not given to who has no export_private_key, nor where it was not made here'
const pfxJourney = 'journeys: that the server made is a PFX which openssl opens by the password that was shown'
const journey = 'journeys: by the six digits and a reason: OCSP says so'
const once = 'pfx: of an order without a request: certificate, chain and key, under a password that is shown once'
const revoked = 'console-certificates-revoke: takes the code and a reason, and says that the certificate is revoked'
const wrong = 'console-certificates-revoke: takes a wrong code three times, shows the form again, and then none'
const code = 'revocation-code: are six digits, told in the trail without them, stored as a hash, and revoke once'
const bound =
  'console-certificates-revoke: takes no code of another certificate, of another person, of five minutes ago, or one that was used'

export const certificateDownloads: FeatureTopic = {
  title: 'Downloading',
  features: [
    built(
      'PEM Format',
      'From the detail: Download Certificate',
      'And its chain, DER and PKCS #7.',
      downloads,
      'journeys: by two approvers, seen live by the requester, and served over TLS',
    ),
    built('PEM Format', 'A file .crt with the certificate alone, in PEM', 'Named after the certificate.', downloads),
    built(
      'PFX / PKCS#12 Format',
      'For certificates of the built-in CA: certificate and key in a file under a password',
      'With the chain. For who has export_private_key; under AES-256 and PBKDF2, which openssl opens.',
      pfx,
      pfxJourney,
      once,
    ),
    built('PFX / PKCS#12 Format', 'From the detail: Download PFX', 'Where it can work.', pfxJourney, pfx, noPfx),
    built(
      'PFX / PKCS#12 Format',
      'A random password is shown, to copy before going on; it is not stored and shown never again',
      'Made by the server, 24 characters; stored nowhere: the form of the page brings it back with the download. A password of one’s own is not taken.',
      pfx,
      'pfx: under a password that was shown before, and no other',
      'console-new-keys: takes no password of somebody’s own',
    ),
    built('PFX / PKCS#12 Format', 'Download gives the file .pfx', 'So.', pfx),
    built(
      'PFX / PKCS#12 Format',
      'Only where the server made the key; for an order by CSR there is none',
      'Nor where the profile has rules for exports, which go their own way.',
      noPfx,
      'console-new-keys: is not given where the profile has rules for exports, and the form says so before',
    ),
  ],
}

export const certificateRevocation: FeatureTopic = {
  title: 'Revoking',
  features: [
    built(
      'Revoking a Certificate',
      'Marks it as no longer trusted, and records that; how CRL and OCSP learn of it is the CA’s matter',
      'CRL and OCSP of our own authorities say so from that moment.',
      revoked,
      journey,
      'approval-walk: goes from SCEP over two approvers, a delegation and an escalation to CRL and OCSP',
    ),
    built('Revoking a Certificate', 'From the detail: Revoke Certificate', 'For who may.', revoked, journey),
    built(
      'Revoking a Certificate',
      'A random code of six digits is shown, to be typed',
      'Made and checked by the server: for one session and one certificate, once, for five minutes, three tries.',
      revoked,
      journey,
      code,
      wrong,
      bound,
    ),
    built('Revoking a Certificate', 'A reason may be given', 'With the time since when, and a comment.', revoked),
    built(
      'Revoking a Certificate',
      'Once confirmed it is revoked at once, and the audit log has it',
      'Where the rules of the profile ask nobody; else it waits for people.',
      revoked,
      'console-certificates-revoke: waits for people where a rule says so',
      'journeys: with approval: it waits, somebody else approves, OCSP says so',
    ),
    built(
      'Revoking a Certificate',
      'It is permanent: nothing lifts it',
      'But a hold, which is a reason of its own.',
      'console-certificates-revoke: is the one state that is lifted',
      'journeys: a hold is lifted',
    ),
    ...['keyCompromise', 'cACompromise', 'affiliationChanged', 'superseded', 'cessationOfOperation', 'unspecified'].map(
      (reason) =>
        built(
          'Revocation Reasons',
          reason,
          'By its words in the form, by its name in the record.',
          'ra-features: %s is taken, and stands on the CRL as %i',
          revoked,
        ),
    ),
  ],
}

export const certificateAudit: FeatureTopic = {
  title: 'Audit events',
  features: [
    built(
      'Audit Events',
      'certificate.request_automated.submitted: an order by a program was submitted',
      'Of ACME, SCEP, EST and every other client; under this name.',
      'certificate-events: an order by a person is a CSR, one by a client of a protocol is automated',
      'certificate-events: one that people foresaw before its CSR is told of once',
    ),
    built(
      'Audit Events',
      'certificate.request_csr.submitted: an order by CSR was submitted',
      'By a person; under this name.',
      'certificate-events: an order by a person is a CSR, one by a client of a protocol is automated',
    ),
    built(
      'Audit Events',
      'certificate.view.accessed: the detail was opened',
      'Once an hour for each person; under this name.',
      'certificate-events: opening a detail is told once an hour for each person, and for no program',
      'console-certificates: has every field, the chain, its requests, and says that it was opened',
    ),
    built(
      'Audit Events',
      'certificate.download.success: the PEM was downloaded',
      'And every other form; under this name.',
      'certificate-events: each download is told of, that of a token that only reads too, and no refused one',
    ),
    built('Audit Events', 'certificate.download_pfx.success: the PFX was downloaded', 'Under this name.', once, pfx),
    built(
      'Audit Events',
      'certificate.revoke.requested: the dialog of the revocation was opened',
      'With the code made, which is not in it; under this name.',
      revoked,
      code,
    ),
    built(
      'Audit Events',
      'certificate.policy_hard_fail: a hard policy refused an order',
      'With an alert; under this name.',
      'certificate-events: a soft policy lets an order pass and says so; a hard one is told of by its own name',
    ),
    built(
      'Audit Events',
      'certificate.policy_soft_fail: a soft policy let an order pass, with a warning',
      'Under this name.',
      'certificate-events: a soft policy lets an order pass and says so; a hard one is told of by its own name',
    ),
  ],
}
