/** One commit gives the same bytes, wherever and by whomever it is built. */
import { assertEquals } from "@std/assert";
import { fromFileUrl } from "@std/path";

const ROOT = fromFileUrl(new URL("../..", import.meta.url));

/** Builds a release of the last commit in a clone of its own, with what was fetched already. Returns its sums. */
const BUILD = `
git clone --quiet "$1" "$2"
mkdir "$2/.cache"
cp -r "$1"/.cache/{deno-*,deno_dir,environment} "$2/.cache"
[ ! -e "$1/.cache/closed_network" ] || cp -r "$1/.cache/closed_network" "$2/.cache"
cd "$2"
make --silent release >log 2>&1 || { cat log >&2; exit 1; }
cat dist/release/SHA256SUMS
`;

async function build(prefix: string, target: string): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command("bash", {
    args: ["-euc", `${prefix}\n${BUILD}`, "-", ROOT, target],
  }).output();
  if (!success) throw new Error(new TextDecoder().decode(stderr));
  return new TextDecoder().decode(stdout);
}

Deno.test("two builds of a commit are the same, whatever the folder, the umask, the locale and the time zone", async () => {
  const folder = await Deno.makeTempDir({ prefix: "reproducible-" });
  try {
    const first = await build("umask 022", `${folder}/a`);
    const second = await build("umask 077; export TZ=Asia/Tokyo LC_ALL=C.UTF-8", `${folder}/another-one`);
    assertEquals(first.split("\n").length > 5, true, first);
    assertEquals(second, first);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
