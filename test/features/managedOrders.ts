import { built, type FeatureTopic } from './feature.ts'

const orders = 'console-orders: has common name, order type, status, requester and duration'
const narrowed = 'console-orders: is narrowed by the status of orders'
const complete = 'console-orders: that is complete links to its certificate'
const again = 'console-orders: that has failed shows the error and the parameters, and is sent again as a new order'
const listed = 'console-certificates-list: shows names, issuer, provider, validity, days to expiry, status, source'
const filtered =
  'console-certificates-list: filters by what expires soon, by source and by status, and leaves the archived out'
const ended = 'console-certificates-list: tells what has ended from what is good'
const detail = 'console-certificates: has every field, the chain, its requests, and says that it was opened'
const revoked = 'console-certificates-revoke: takes the code and a reason, and says that the certificate is revoked'
const found = 'discovery: a run takes in what it finds, and tells where and when it was seen'

/** Document 003: what was ordered. */
export const certificateOrders: FeatureTopic = {
  title: 'Orders',
  features: [
    built(
      'Certificate Orders',
      'A page with the history of all orders, where each stands and who made it',
      'Orders in the menu: of every way in, page by page, filtered by name, status, profile, authority, protocol and requester.',
      orders,
      narrowed,
    ),
    built('Certificate Orders', 'Common Name: that of the request', 'Else its first alternative name.', orders),
    built(
      'Certificate Orders',
      'Order Type: by whom it is issued: Local PKI, ACME, External CA',
      'In these words; ACME is an order that came over ACME, or goes to a CA upstream. The protocol stands beside it.',
      orders,
    ),
    built(
      'Certificate Orders',
      'Status: pending, processing, complete or failed',
      'One that was denied, withdrawn or not answered in time is failed, and says which.',
      orders,
      narrowed,
    ),
    built(
      'Certificate Orders',
      'Requested By: the user, agent or ACME client',
      'By name, with what he came by: a user, an ACME account, a certificate, a challenge, a credential.',
      orders,
      detail,
    ),
    built('Certificate Orders', 'Duration: from the order to its end', 'Of one that has not ended, until now.', orders),
    built('Certificate Orders', 'An order opens its detail', 'With its history.', complete, again),
    built('Certificate Orders', 'A complete order links to its certificate', 'So.', complete),
    built(
      'Certificate Orders',
      'A failed order shows the error and what was ordered, to send it again',
      'With a button that sends it again, as an order of whoever presses it and by the rules for him.',
      again,
      'console-orders: is sent again as an order of whoever sends it, by the rules for him',
      'console-orders: to be sent again while they have not failed, or by who may not order',
    ),
    built(
      'Audit Events',
      'Failed orders raise alerts, on a page of their own, to be reviewed',
      'Alerts in the menu: each leads to what it is about, and is closed with who did so in the audit trail.',
      'review: trouble that nobody foresaw does not go on for ever, and the failed order is an alert',
      'console-orders: of a failed order lead to it, and are closed once reviewed',
      'console-orders: are for administrators, each for his own organization',
    ),
  ],
}

export const certificateInventory: FeatureTopic = {
  title: 'The inventory',
  features: [
    built(
      'Managing Provisioned Certificates',
      'Certificates that were issued stand in one inventory with those that were discovered',
      'And with those that were uploaded. Discovery looks at TLS servers, networks and files.',
      listed,
      found,
      'console-certificates: takes certificates into the inventory, and says which it did not take',
    ),
    built('Certificate Inventory', 'Common name and alternative names', 'So.', listed),
    built(
      'Certificate Inventory',
      'Issuer and provider',
      'The name of the CA, the authority, and whether it is of our own, upstream or elsewhere.',
      listed,
    ),
    built('Certificate Inventory', 'Validity, and days until it ends', 'So.', listed, ended),
    built('Certificate Inventory', 'Status', 'So.', listed, ended, revoked),
    built('Certificate Inventory', 'Source: managed or discovered', '`uploaded` is a third one.', listed, found),
    built(
      'Certificate Inventory',
      'A filter by source, for those that were issued alone',
      'And by status, authority, profile and end; a part of a name, a serial number or a fingerprint finds the rest.',
      filtered,
      'console-certificates-list: finds by a part of a name, by the subject, by serial number and by fingerprint',
    ),
    built('Certificate Detail', 'A certificate of the inventory opens its detail', 'So.', detail),
    ...[
      ['Common Name', 'With what every field of the subject says.'],
      ['Subject Alternative Names', 'Of all types.'],
      ['Issuer', 'With the chain as a picture, each CA a link.'],
      ['Algorithm: kind and size of the key, as rsa-2048', 'In this form, with the curve’s own name.'],
      ['Digest: of the signature', 'So.'],
      ['Valid From / Valid To', 'UTC.'],
      ['Days Until Expiry: counted from today', 'So.'],
      ['Status', 'So.'],
      ['Source: managed', 'So.'],
      ['Fingerprint (SHA-256)', 'To copy.'],
    ].map(([says = '', here = '']) => built('Certificate Detail', says, here, detail)),
    built('Certificate Status Values', 'active: within its validity', 'In this word.', detail, ended),
    built('Certificate Status Values', 'expired: its validity has passed', 'Derived from the time.', ended),
    built(
      'Certificate Status Values',
      'revoked: no longer to be trusted',
      'With reason and time. A hold is a fourth status.',
      revoked,
      'console-certificates-revoke: is the one state that is lifted',
    ),
  ],
}
