/** The contract's names of a subject's attributes, most significant first. */
export const subjectParts = {
  country: ['C', 'Country', 2],
  state: ['ST', 'State', 128],
  locality: ['L', 'Locality', 128],
  organization: ['O', 'Organization', 64],
  organizationalUnit: ['OU', 'Organizational unit', 64],
  commonName: ['CN', 'Common name', 64],
} as const satisfies Record<string, readonly [type: string, label: string, longest: number]>

export const NAMES = 'subjectAltName'

/** What a certificate request says here: everything else is the RA profile's to say. */
export const csrNames: readonly string[] = [...Object.keys(subjectParts), NAMES]
