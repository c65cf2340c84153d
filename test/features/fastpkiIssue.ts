import { built, type FeatureTopic } from './feature.ts'

const csrRefusals = 'fastpki-sign-csr: sign-csr refuses %s'
const withKey = 'fastpki-certificates: comes with its key, its subject and its common name as SAN'
const refusals = 'fastpki-certificates: an order with a key made here is refused %s'
const defaults =
  'fastpki-certificates: has by default a key of 2048 bits and a year, or what the options of the profile say'
const ofCa =
  'fastpki-authorities: certify CAs to who has create_ca beside create_cert, that certify ends alone, and nobody for longer than they live'
const asked = 'fastpki-certificates: takes the names that are asked, and the common name only where no DNS name is'
const ofClient =
  'fastpki-certificates: of a client has an e-mail address as SAN where its common name is one, and none where it is not'
const ofBoth = 'fastpki-certificates: of both purposes has names of all kinds'
const issues = 'fastpki-authorities: are made with their names, and issue at once to who has create_cert'
const noCa = 'fastpki-certificates: without a CA, with one that is not there, or a word'

export const fastpkiIssue: FeatureTopic = {
  title: 'Issue',
  features: [
    built(
      'Certificates',
      'A certificate is issued by a certificate authority',
      'By a local one, and by any other kind that an RA profile orders from.',
      withKey,
      issues,
    ),
    built(
      'Certificates',
      'It is of type server, client or ca',
      'And dual purpose, each where the RA profile has a variant of that type; a profile that `POST /cas/` makes has all four. `ca` takes create_ca beside create_cert, over every contract, and certifies ends alone (a path length of 0).',
      withKey,
      ofClient,
      ofBoth,
      ofCa,
      'fastpki-certificates: of a CA is issued where an administrator has given the profile a variant of that type',
      'fastpki-members: are not had by editing an order that waits',
      refusals,
    ),
    built(
      'Issue',
      'A certificate is always made under one CA, which `ca_id` in the query names',
      'Over the RA profile of that authority which serves this contract.',
      withKey,
      noCa,
    ),
    built(
      'Issue: command',
      'POST of common name, subject, type, key size, days and `include_private_key`',
      'The certificate, its fields, and its private key.',
      withKey,
    ),
    built(
      'Issue: body',
      '`common_name`, required',
      'Of a server it must stand among the SANs, where clients look.',
      withKey,
      refusals,
    ),
    built(
      'Issue: body',
      '`subject_dn`, required',
      'CN, O, OU, C, ST and L; as it is given where the RA profile leaves the subject to who orders.',
      withKey,
      refusals,
    ),
    built(
      'Issue: body',
      '`certificate_type`, required: server, client or ca',
      'Any other word is 422, one that the profile does not issue 400.',
      refusals,
    ),
    built(
      'Issue: body',
      '`key_size`: bits of the RSA key, 2048 unless configured',
      '2048, 3072 or 4096; the default is a setting of the RA profile.',
      defaults,
      refusals,
    ),
    built(
      'Issue: body',
      '`valid_days`: 365 unless configured',
      'The default is `validDays` of the RA profile’s settings, else 365, or as many as the profile and its authority allow. A profile that sets the validity itself is not asked.',
      defaults,
      issues,
      ofCa,
      'fastpki-certificates: lives less than a year %s',
      'fastpki-certificates: longer than the profile allows: 403 with the reason, stored as denied',
    ),
    built(
      'Issue: body',
      '`include_private_key`, true unless said: whether a private key is made and stored',
      'Without it nobody gets the key that was made, and it is forgotten.',
      withKey,
      'fastpki-certificates: without include_private_key comes without its key, which nobody gets later either',
      'fastpki-revoke: under a profile that keeps no keys, the key is gone with the answer',
    ),
    built(
      'Issue: body',
      '`san_dns_names`: for servers and dual purpose',
      'In lower case; what is no DNS name is 400.',
      asked,
      refusals,
    ),
    built('Issue: body', '`san_ip_addresses`: for servers and dual purpose', 'IPv4 and IPv6.', asked, refusals),
    built(
      'Issue: body',
      '`san_email_addresses`: for clients and dual purpose',
      'What is no address is 400.',
      ofBoth,
      refusals,
    ),
    built(
      'Issue',
      'Needs create_cert on the CA, or an administrator of the organization, or a superuser',
      'create_cert on the RA profile, its authority or all of the organization.',
      'fastpki-certificates: from who lacks create_cert',
      issues,
    ),
  ],
}

export const fastpkiNames: FeatureTopic = {
  title: 'Subject alternative names',
  features: [
    built('SAN', 'Clients of TLS look at SANs and not at the common name, so there are defaults', 'As below.', withKey),
    built(
      'SAN',
      'Server and dual purpose: a DNS SAN like the common name where no `san_dns_names` are given',
      'Also beside addresses that are given.',
      withKey,
      asked,
      ofBoth,
    ),
    built(
      'SAN',
      'Client: an e-mail SAN like the common name where that is an address and no `san_email_addresses` are given',
      'And none where it is not.',
      ofClient,
    ),
    built('SAN', 'Servers refuse e-mail SANs', '400, before anything is stored.', refusals, csrRefusals),
    built('SAN', 'Clients refuse DNS and IP SANs', '400, also where they stand in a CSR.', refusals, csrRefusals),
    built('SAN', 'What breaks these rules is answered with 400', 'With a sentence that names the SAN.', refusals),
    built(
      'SAN: command',
      'POST with DNS names and an IP address',
      'They are in the certificate, and no other names.',
      asked,
    ),
    built(
      'Client certificate: command',
      'POST of a certificate of type client without names',
      'For people and programs; its subject is its name.',
      ofClient,
    ),
  ],
}

const byCsr = 'fastpki-sign-csr: takes subject, names and key from the CSR, by the id of the CA or its name'
const overridden =
  'fastpki-sign-csr: takes what is given in place of the CSR’s, and the common name where there are no names'
const byName = 'fastpki-sign-csr: finds the name of another organization’s CA for a superuser alone'

export const fastpkiSignCsr: FeatureTopic = {
  title: 'Sign a certificate signing request',
  features: [
    built(
      'Sign CSR',
      'Where the key has to stay with who asks, he sends a CSR in place of the order above',
      'The same road: policy, rules, audit.',
      byCsr,
    ),
    built(
      'Sign CSR: command',
      'A key and a CSR are made by openssl, and the CSR is posted with its type and the name of a CA',
      'PKCS #10 in PEM.',
      byCsr,
      issues,
    ),
    built(
      'Sign CSR',
      'The CA is chosen by `ca_id` or `ca_name`, and one of them is required',
      'Neither is 400.',
      byCsr,
      csrRefusals,
    ),
    built(
      'Sign CSR',
      '`ca_name` counts in the organization of the caller',
      'Two organizations may have a CA of the same name.',
      byName,
      'fastpki-authorities: with the name of one of another organization are another authority',
    ),
    built('Sign CSR', 'A superuser may name any CA', 'His own organization’s first.', byName),
    built(
      'Sign CSR',
      'Subject, SANs and public key come from the CSR',
      'Whose signature must be its key’s.',
      byCsr,
      'fastpki-sign-csr: refuses a CSR whose signature is not its key’s',
    ),
    built(
      'Sign CSR',
      '`common_name`, `subject_dn` and `san_*` override the CSR',
      'One list of names that is given stands for all names of the CSR.',
      overridden,
    ),
    built('Sign CSR', 'The answer has the certificate and never a private key', 'There is no such field.', byCsr),
    built(
      'Sign CSR',
      'Needs create_cert on the CA, or an administrator of the organization, or a superuser',
      'As of an order with a key.',
      byName,
      issues,
    ),
    built(
      'Sign CSR',
      'Is in the audit log',
      'As every order, with who asked.',
      'fastpki-authorities: tell in the contract’s words what was done, to administrators, of their organization',
    ),
  ],
}
