/** The names of RFC 5280 section 5.3.1 that a person may mean. */
export type ReasonName = (typeof reasons)[number][0]

/** By words that stand in it, letter case, spaces and hyphens aside; the first that fits. A hold is no revocation: its words mean nothing here. */
const reasons = [
  ['cACompromise', /\b(ca|authority) ?(key )?(was |is )?compromis/],
  ['aACompromise', /\b(aa|attribute authority) ?(key )?(was |is )?compromis/],
  [
    'keyCompromise',
    /\bkey ?compromis|\bcompromis\w*|\b(leak|stolen|theft|expos)\w*|\blost key\b|\bkey (was |is )?lost\b/,
  ],
  ['affiliationChanged', /\baffiliation ?changed?\b|\bleft the (company|organi[sz]ation)\b/],
  ['superseded', /\bsupersed\w*|\breplac\w*|\brenewed\b/],
  [
    'cessationOfOperation',
    /\bcessation ?of ?operations?\b|\bdecommission\w*|\bno longer (used|needed|in use)\b|\bshut ?down\b/,
  ],
  ['privilegeWithdrawn', /\bprivileges? ?withdrawn\b/],
] as const

/** The reason that a text means; undefined: unspecified. */
export function reasonIn(text: string): ReasonName | undefined {
  const exact = reasons.find(([name]) => name.toLowerCase() === text.replace(/[\s_-]+/g, '').toLowerCase())
  if (exact) return exact[0]
  const words = text
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .toLowerCase()
    .replace(/[\s_-]+/g, ' ')
  if (/\b(not|no|never|un)\W? ?(key )?(compromis|leak|stolen|supersed|replac)/.test(words)) return undefined
  return reasons.find(([, pattern]) => pattern.test(words))?.[0]
}
