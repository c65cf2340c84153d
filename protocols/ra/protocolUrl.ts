import type { Host } from '../../src/protocol.ts'

type Urls = Pick<Host, 'baseUrl' | 'httpBaseUrl' | 'mtlsBaseUrl'>

/** Where clients of a protocol find an RA profile. */
export const protocolUrl = {
  acme: ({ baseUrl }: Urls, name: string) => `${baseUrl}/acme/${name}/directory`,
  scep: ({ httpBaseUrl }: Urls, name: string) => `${httpBaseUrl}/scep/${name}`,
  cmp: ({ httpBaseUrl }: Urls, name: string) => `${httpBaseUrl}/cmp/${name}`,
  est: ({ mtlsBaseUrl }: Urls, name: string) => `${mtlsBaseUrl}/.well-known/est/${name}`,
}
