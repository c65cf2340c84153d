import type { ApprovalRule, ApprovalRules } from './rule.ts'

const proved: ApprovalRule = {
  name: 'proved names',
  when: 'requester.kind == "acme-account" && validated && size(identifiers) > 0',
  auto: true,
}

const entitled: ApprovalRule = { name: 'entitled to these names', when: 'entitled', auto: true }

const sameNames: ApprovalRule = {
  name: 'renewal of the same names',
  when: 'certificate.present && certificate.sameNames',
  auto: true,
}

/**
 * The rules of the profile `default` (docs/approval.md). Whatever they do not name, an export among it, needs the
 * authority's owner.
 */
export const defaultRules: ApprovalRules = {
  issue: [proved, entitled],
  renew: [proved, sameNames, entitled],
  rekey: [proved, sameNames, entitled],
  revoke: [
    { name: 'the own certificate', when: 'grounds in ["account", "names", "key"]', auto: true },
    { name: 'users who may revoke', when: 'grounds == "user" && capable', auto: true },
  ],
  export: [],
}
