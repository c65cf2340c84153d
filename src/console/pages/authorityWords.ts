const kinds: Readonly<Record<string, string>> = {
  local: 'key held here',
  manual: 'signs elsewhere, by hand',
  acme: 'another CA, over ACME',
}

/** How an authority signs, in words. */
export const authorityKind = (kind: string): string => kinds[kind] ?? kind

export const authorityPath = (name: string) => `/console/authorities/${encodeURIComponent(name)}`
