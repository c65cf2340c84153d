import type { ProfileRecord } from '../../core/profile/raProfiles.ts'
import type { Host } from '../../protocol.ts'

/** Where clients of a protocol find a profile. */
export interface Endpoint {
  protocol: string
  url: string
  /** What the console asks for to see that something answers there. */
  probe?: string
}

type Urls = Pick<Host, 'baseUrl' | 'mtlsBaseUrl' | 'httpBaseUrl'>

const known: Readonly<Record<string, (urls: Urls, name: string) => Omit<Endpoint, 'protocol'>>> = {
  acme: ({ baseUrl }, name) => both(`${baseUrl}/acme/${name}/directory`),
  scep: ({ httpBaseUrl }, name) => ({
    url: `${httpBaseUrl}/scep/${name}`,
    probe: `${httpBaseUrl}/scep/${name}?operation=GetCACaps`,
  }),
  est: ({ mtlsBaseUrl }, name) => ({
    url: `${mtlsBaseUrl}/.well-known/est/${name}`,
    probe: `${mtlsBaseUrl}/.well-known/est/${name}/cacerts`,
  }),
  // It takes messages alone, by POST.
  cmp: ({ httpBaseUrl }, name) => ({ url: `${httpBaseUrl}/cmp/${name}` }),
  ra: ({ baseUrl }) => ({ url: `${baseUrl}/api`, probe: `${baseUrl}/api/v1/health/liveness` }),
  notary: ({ baseUrl }) => ({ url: `${baseUrl}/notary`, probe: `${baseUrl}/notary/status` }),
  fastpki: ({ baseUrl }) => ({ url: `${baseUrl}/fastpki`, probe: `${baseUrl}/fastpki/` }),
  alpacon: ({ baseUrl }) => both(`${baseUrl}/alpacon/`),
}

function both(url: string) {
  return { url, probe: url }
}

/** The addresses of a profile, in the order of its protocols. */
export function endpointsOf(urls: Urls, { name, protocols }: Pick<ProfileRecord, 'name' | 'protocols'>): Endpoint[] {
  return Object.keys(protocols).flatMap((protocol) => {
    const endpoint = known[protocol]?.(urls, encodeURIComponent(name))
    return endpoint ? [{ protocol, ...endpoint }] : []
  })
}

interface Instruction {
  client: string
  text: string
}

const clients: Readonly<Record<string, (urls: Urls, profile: ProfileRecord) => Instruction[]>> = {
  acme: ({ baseUrl }, { name }) => {
    const server = `${baseUrl}/acme/${name}/directory`
    return [
      {
        client: 'certbot',
        text: `REQUESTS_CA_BUNDLE=root.pem certbot certonly --standalone \\\n  --server ${server} \\\n  -d www.example.org`,
      },
      {
        client: 'lego',
        text: `LEGO_CA_CERTIFICATES=root.pem lego --server ${server} \\\n  --email you@example.org --domains www.example.org --http run`,
      },
    ]
  },
  scep: ({ httpBaseUrl }, { name }) => [
    {
      client: 'strongSwan',
      text: `pki --gen > device.key\npki --scepca --url ${httpBaseUrl}/scep/${name} --caout ca.pem\npki --scep --url ${httpBaseUrl}/scep/${name} --in device.key \\\n  --dn "CN=device-1" --password CHALLENGE \\\n  --cacert-enc ca.pem --cacert-sig ca.pem > device.crt`,
    },
    {
      client: 'Cisco IOS',
      text: `crypto pki trustpoint COUNTERSIGN\n enrollment url ${httpBaseUrl}/scep/${name}\n subject-name CN=switch-1\n password CHALLENGE\n revocation-check none\ncrypto pki authenticate COUNTERSIGN\ncrypto pki enroll COUNTERSIGN`,
    },
  ],
  est: ({ mtlsBaseUrl }, { name }) => [
    {
      client: 'curl and openssl',
      text: `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout device.key \\\n  -subj "/CN=device-1" -outform der | base64 > device.b64\ncurl --cacert root.pem --user NAME:PASSWORD -H "Content-Type: application/pkcs10" \\\n  --data-binary @device.b64 ${mtlsBaseUrl}/.well-known/est/${name}/simpleenroll`,
    },
  ],
  cmp: ({ httpBaseUrl }, { name }) => [
    {
      client: 'openssl',
      text: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out device.key\nopenssl cmp -cmd ir -server ${httpBaseUrl}/cmp/${name} \\\n  -ref REFERENCE -secret file:secret -recipient /CN=CA -newkey device.key \\\n  -subject /CN=device-1 -certout device.crt -chainout chain.pem -cacertsout root.pem`,
    },
  ],
  ra: ({ baseUrl }, { name, authority }) => [
    {
      client: 'curl',
      text: `openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout www.key \\\n  -subj "/CN=www.example.org" -addext "subjectAltName=DNS:www.example.org" -outform der -out www.csr\ncurl --cacert root.pem -H "Authorization: Bearer $(cat token)" \\\n  --json "{\\"request\\":\\"$(base64 -w0 www.csr)\\",\\"attributes\\":[]}" \\\n  ${baseUrl}/api/v2/operations/authorities/${authority}/raProfiles/${name}/certificates`,
    },
  ],
}

/** What to type, for clients that were tried with this server. */
export function instructionsFor(urls: Urls, profile: ProfileRecord, protocol: string): Instruction[] {
  return clients[protocol]?.(urls, profile) ?? []
}
