/** What the tests use of the package, which has no types of its own. */
declare module 'oidc-provider' {
  import type { IncomingMessage, ServerResponse } from 'node:http'

  interface Account {
    accountId: string
    claims(): Record<string, unknown>
  }

  interface Configuration {
    findAccount(context: unknown, id: string): Account
    features: {
      resourceIndicators: {
        enabled: boolean
        getResourceServerInfo(context: unknown, resource: string): Record<string, unknown>
      }
      [feature: string]: Record<string, unknown>
    }
    [setting: string]: unknown
  }

  export default class Provider {
    constructor(issuer: string, configuration: Configuration)
    on(event: 'server_error', listener: (context: unknown, error: Error) => void): this
    callback(): (request: IncomingMessage, response: ServerResponse) => Promise<void>
  }
}
