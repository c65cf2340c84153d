import type { Facts } from '../../src/core/approval/approval.ts'

/** Facts of an ACME order for two names, with what a test changes about it. */
export function facts(changes: Partial<Facts> = {}): Facts {
  return {
    action: 'issue',
    protocol: 'acme',
    profile: 'default',
    requester: { kind: 'acme-account', ref: 'a1', name: 'web team' },
    source: '10.1.2.3',
    identifiers: [
      { type: 'dns', value: 'www.example.org', validated: true },
      { type: 'dns', value: 'example.org', validated: true },
    ],
    validated: true,
    entitled: false,
    subject: { CN: 'www.example.org' },
    key: { algorithm: 'EC', size: 256, curve: 'P-256' },
    type: 'server',
    days: 90,
    mustStaple: false,
    certificate: { present: false, serial: '', sameNames: false, ageDays: 0, daysLeft: 0 },
    reason: '',
    grounds: '',
    capable: false,
    ...changes,
  }
}
