import type { Specification } from './requirement.ts'

/** What extends RFC 8555, as far as it is served. */
export const extensions: readonly Specification[] = [
  {
    name: 'RFC 8657 and RFC 8659, CAA',
    requirements: [
      [
        '8659, 3',
        'the nearest record set up the tree counts, for every name',
        'acme-caa: is the nearest one, and ends the search',
        'acme-caa: is looked for up to the top-level domain',
        'acme-caa: is checked for every name',
      ],
      [
        '8659, 3',
        'what cannot be looked up forbids',
        'acme-caa: SERVFAIL at %s refuses',
        'acme-caa: silence refuses',
        'acme-caa: a record that cannot be read refuses',
      ],
      ['8659, 4', 'a critical property that is unknown forbids', 'acme-caa: that is critical and unknown forbids'],
      [
        '8659, 4.2',
        'a value that is malformed names nobody',
        'acme-caa: %j is malformed',
        'acme-caa: that names %s forbids',
      ],
      ['8659, 4.3', 'a wildcard is decided by issuewild where there is one', 'acme-caa: section 4.3, for a wildcard'],
      [
        '8657, 3 and 4',
        'accounturi and validationmethods',
        'acme-caa-flow: knows its accounts by their URLs',
        'acme-caa: every method that is offered can be allowed',
        'acme-caa: that names %s forbids',
      ],
      [
        '8657, 5.6',
        'parameters count only with a resolver that validates',
        'acme-caa: parameters are not supported where the resolver is not trusted',
      ],
      [
        '',
        'checked again before issuing, after eight hours',
        'acme-caa-flow: is looked for again before issuing, after eight hours',
        'acme-caa-flow: and not again within eight hours',
      ],
    ],
  },
  {
    name: 'RFC 8737, tls-alpn-01',
    requirements: [
      [
        '3',
        'one certificate for the one name, with the digest in a critical extension',
        'acme-validation-tls-alpn01: the certificate of RFC 8737 section 3',
        'acme-validation-tls-alpn01: wire 45: refuses a certificate',
      ],
      ['3', 'names are compared without case', 'acme-validation-tls-alpn01: a name in other letter case'],
      [
        '3 and 4',
        'the protocol must be negotiated, over TLS 1.2 at least',
        'acme-validation-tls-alpn01: that does not speak ALPN',
        'acme-validation-tls-alpn01: that speaks another protocol',
        'acme-validation-tls-alpn01: of TLS 1.1',
      ],
      ['3', 'no data is sent', 'acme-validation-tls-alpn01: sends the name in SNI and no data'],
    ],
  },
  {
    name: 'RFC 8738, addresses',
    requirements: [
      ['3', 'addresses in their canonical text', 'acme-order: ip %j is malformed'],
      [
        '4 and 5',
        'http-01 without DNS, the address in Host',
        'acme-validation-http01: an identifier that is an address needs no DNS',
      ],
      [
        '6',
        'tls-alpn-01 with the reverse name, without DNS',
        'acme-validation-tls-alpn01: with its reverse name in SNI and no DNS',
        'acme-validation-tls-alpn01: the reverse name of %s',
      ],
      [
        '7',
        'never by dns-01',
        'acme-validation-dns01: an address (RFC 8738 section 7)',
        'acme-challenge: each kind of name has its challenges',
      ],
    ],
  },
  {
    name: 'RFC 9444, subdomains',
    requirements: [
      [
        '4.3',
        'ancestorDomain in an order is what has to be proved',
        'acme-subdomains: an ancestor named in the order',
        'acme-subdomains: with the ancestor %j is malformed',
      ],
      ['4.4', 'the directory says so', 'acme-subdomains: the directory says so'],
      ['5', 'one authorization for all names below', 'acme-subdomains: one authorization made before'],
      [
        '7.2',
        'whole labels are compared',
        'acme-subdomains: whole labels are compared',
        'acme-subdomains: has every name that ends with it after a dot',
      ],
      [
        '7.2',
        'it revokes for the names that it counts for',
        'acme-subdomains: a certificate may be revoked by whoever holds',
      ],
    ],
  },
  {
    name: 'RFC 9773, renewal information',
    requirements: [
      [
        '4.1',
        'a certificate is named by its key identifier and serial number',
        'acme-ari: is read as in appendix A',
        'acme-ari: is one text for each certificate',
      ],
      [
        '4.2',
        'a window ends after its start',
        'acme-ari: every lifetime has a window',
        'acme-ari: never ends before it starts',
      ],
      [
        '4.3',
        'Retry-After',
        'acme-ari: a certificate of a day is asked after every hour',
        'acme-ari: anybody reads the window',
      ],
      [
        '5',
        'replaces is checked, and echoed in every order object',
        'acme-ari-replaces: replaces is echoed in every order object',
        'acme-ari-replaces: is refused for what another account ordered',
      ],
      [
        '5',
        'alreadyReplaced, 409, while another order stands',
        'acme-ari-replaces: 409 alreadyReplaced',
        'acme-ari-replaces: of many orders at once one replaces it',
      ],
      [
        '5',
        'a renewal that names what it replaces is free of limits',
        'acme-limits: a renewal that names what it replaces is free',
      ],
    ],
  },
  {
    name: 'RFC 9799, .onion',
    requirements: [
      ['2', 'version 3 addresses only', 'acme-onion: %s is none', 'acme-onion-flow: section 2: %s is no identifier'],
      [
        '3.1.1',
        'onion-csr-01, and never dns-01',
        'acme-onion-flow: is all that is offered',
        'acme-onion-flow: is not offered for other names',
      ],
      [
        '3.2',
        'the service’s key signs both nonces; ours is at most 30 days old',
        'acme-onion: is proved for %s and the address by its key',
        'acme-onion: a nonce of 30 days is good',
        'acme-onion: %s proves nothing',
      ],
      [
        '3.2',
        'the service’s key is not the certificate’s',
        'acme-onion-flow: the key of the service is not the key of the certificate',
      ],
      ['6.4', 'CAA comes with finalize; onionCAARequired', 'acme-onion-flow: section 6.4: CAA comes with finalize'],
    ],
  },
  {
    name: 'Drafts: profiles, dns-account-01, dns-persist-01',
    requirements: [
      [
        'profiles',
        'the directory lists them; the chosen one is echoed',
        'acme-profiles: the directory lists them',
        'acme-profiles: the chosen one makes the certificate',
      ],
      [
        'profiles',
        'one that is not offered is invalidProfile',
        'acme-profiles: one that is not offered is invalidProfile',
        'acme-profiles: one that is no longer offered at finalize',
      ],
      [
        'dns-account',
        'the label is made from the account’s URL',
        'acme-validation-dns-account: the label is the one of the draft',
        'acme-validation-dns-account: refuses the record of another account',
      ],
      [
        'dns-persist',
        'accounturi, policy, persistUntil and issuers are obeyed',
        'acme-validation-dns-persist: section 4.1',
        'acme-validation-dns-persist: section 4.3',
        'acme-dns-challenges-flow: dns-persist-01 (draft -02)',
      ],
    ],
  },
]
