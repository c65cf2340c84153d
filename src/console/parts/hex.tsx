/** @jsxImportSource hono/jsx */

/** Octets as aa:bb:cc, which breaks between octets alone. */
export function Hex({ value }: { value: string }) {
  const octets = value.match(/..?/g) ?? []
  return (
    <span class="mono">
      {octets.map((octet, at) => (
        <>
          {octet}
          {at < octets.length - 1 && (
            <>
              :<wbr />
            </>
          )}
        </>
      ))}
    </span>
  )
}
