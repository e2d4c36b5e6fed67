/*
 * A stand-in for pyxis, NVIDIA's SPANK plugin that starts job steps in containers (https://github.com/NVIDIA/pyxis): the
 * options that slurmtf's scripts use, by pyxis's rules as its README, its args.c and its tests tell them. Nothing is copied.
 *
 *     required PATH/pyxis.so runtime=PATH/runtime data=FOLDER
 *
 * As with pyxis there is one container for each node of a step. What is below it, enroot there, is the program `runtime`.
 * Of sbatch it has no options, as pyxis with sbatch_support=0.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <slurm/spank.h>

SPANK_PLUGIN(pyxis, 1)

#define MOST 64
#define UNSET -1

enum { IMAGE, MOUNTS, KEPT, HOME, ROOT };

static char *image, *kept, *runtime, *data, *mounts[MOST];
static int mount_count, mount_home = UNSET, remap_root = UNSET;

static char folder[4096], home[4096], environment[1 << 16];
static size_t environment_size;
static int user_space = -1, mount_space = -1, root = -1, failed;

static int refuse(const char *option, const char *what)
{
	slurm_error("pyxis: %s: %s", option, what);
	return -1;
}

/* Slurm may hand over an option twice, with the same value. */
static int set_once(char **place, const char *value, const char *option)
{
	if (!value || !*value)
		return refuse(option, "argument required");
	if (*place && strcmp(*place, value))
		return refuse(option, "specified multiple times");
	if (!*place)
		*place = strdup(value);
	return 0;
}

static int set_switch(int *place, int value, const char *option)
{
	if (*place != UNSET && *place != value)
		return refuse(option, "both it and its opposite were specified");
	*place = value;
	return 0;
}

/* SRC, SRC:DST or SRC:DST:FLAG+FLAG becomes a line of an fstab: source, target, flags. */
static int add_mount(char *text)
{
	char *source = strsep(&text, ":"), *target = text ? strsep(&text, ":") : source, *line;

	if (!*source || !*target)
		return refuse("--container-mounts", "invalid format");
	if (!strspn(source, "./") || !strspn(target, "./"))
		return refuse("--container-mounts", "source and target must be paths (others are not in this stand-in)");
	if (asprintf(&line, "%s %s %s", source, target, text && *text ? text : "rw") < 0)
		return -1;
	for (int i = 0; i < mount_count; i++)
		if (!strcmp(mounts[i], line))
			return 0;
	if (mount_count == MOST)
		return refuse("--container-mounts", "too many");
	mounts[mount_count++] = line;
	return 0;
}

static int add_mounts(const char *value)
{
	char *copy, *one;

	if (!value || !*value)
		return refuse("--container-mounts", "argument required");
	copy = strdup(value);
	while ((one = strsep(&copy, ",")))
		if (add_mount(one))
			return -1;
	return 0;
}

static int take(int which, const char *value, int remote)
{
	switch (which >> 1) {
	case IMAGE:
		return set_once(&image, value, "--container-image");
	case MOUNTS:
		return add_mounts(value);
	case KEPT:
		return set_once(&kept, value, "--container-env");
	case HOME:
		return set_switch(&mount_home, which & 1, "--container-mount-home");
	default:
		return set_switch(&remap_root, which & 1, "--container-remap-root");
	}
}

static struct spank_option options[] = {
	{"container-image", "IMAGE|PATH", "[stand-in of pyxis] image of the container", 1, IMAGE << 1, take},
	{"container-mounts", "SRC:DST[:FLAGS]", "[stand-in of pyxis] folders that it sees", 1, MOUNTS << 1, take},
	{"container-env", "NAME,...", "[stand-in of pyxis] variables that the image's do not replace", 1, KEPT << 1, take},
	{"container-mount-home", NULL, "[stand-in of pyxis] it sees the home", 0, HOME << 1 | 1, take},
	{"no-container-mount-home", NULL, "[stand-in of pyxis] it does not", 0, HOME << 1, take},
	{"container-remap-root", NULL, "[stand-in of pyxis] the user looks like root (default)", 0, ROOT << 1 | 1, take},
	{"no-container-remap-root", NULL, "[stand-in of pyxis] the user is who he is", 0, ROOT << 1, take},
	SPANK_OPTIONS_TABLE_END,
};

int slurm_spank_init(spank_t sp, int count, char **words)
{
	for (int i = 0; i < count; i++) {
		if (!strncmp(words[i], "runtime=", 8))
			runtime = words[i] + 8;
		else if (!strncmp(words[i], "data=", 5))
			data = words[i] + 5;
	}
	if (!runtime || !data)
		return refuse("plugstack.conf", "names no runtime, or no data folder");
	if (spank_context() != S_CTX_LOCAL && spank_context() != S_CTX_REMOTE)
		return 0;
	for (struct spank_option *option = options; option->name; option++)
		if (spank_option_register(sp, option) != ESPANK_SUCCESS)
			return refuse(option->name, "can't be registered");
	return 0;
}

int slurm_spank_init_post_opt(spank_t sp, int count, char **words)
{
	if (!image && (mount_count || kept || mount_home != UNSET || remap_root != UNSET))
		slurm_error("pyxis: ignoring options of containers because --container-image is not set");
	return 0;
}

/* Start the runtime; its words go to the file. */
static pid_t start(char *const words[], FILE *log)
{
	pid_t child = fork();

	if (child == 0) {
		dup2(fileno(log), STDOUT_FILENO);
		dup2(fileno(log), STDERR_FILENO);
		setregid(getegid(), getegid());
		setreuid(geteuid(), geteuid());
		execv(runtime, words);
		_exit(127);
	}
	return child;
}

static void tell(FILE *log)
{
	char line[1024];

	slurm_error("pyxis: printing enroot log file:");
	rewind(log);
	while (fgets(line, sizeof(line), log))
		slurm_error("pyxis:     %.*s", (int)strcspn(line, "\n"), line);
}

/* Run the runtime to its end. */
static int run(char *const words[], const char *what)
{
	FILE *log = tmpfile();
	int status = -1;
	pid_t child = log ? start(words, log) : -1;

	if (child < 0 || waitpid(child, &status, 0) < 0 || status) {
		slurm_error("pyxis: %s", what);
		if (log)
			tell(log);
	}
	if (log)
		fclose(log);
	return status ? -1 : 0;
}

static int create(void)
{
	if (!strspn(image, "./"))
		return run((char *[]){runtime, "import", image, NULL}, "failed to import docker image");
	return run((char *[]){runtime, "create", image, folder, NULL}, "failed to create container filesystem");
}

static int of_process(pid_t process, const char *what, int flags)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/%s", process, what);
	return open(path, flags | O_CLOEXEC);
}

/* Take hold of the namespaces of a process in the container, of its root and its variables. */
static int take_hold(pid_t process)
{
	int variables = of_process(process, "environ", O_RDONLY);
	ssize_t size = variables < 0 ? -1 : read(variables, environment, sizeof(environment) - 1);

	user_space = of_process(process, "ns/user", O_RDONLY);
	mount_space = of_process(process, "ns/mnt", O_RDONLY);
	root = of_process(process, "root", O_PATH | O_DIRECTORY);
	environment_size = size > 0 ? size : 0;
	if (variables >= 0)
		close(variables);
	return size < 0 || user_space < 0 || mount_space < 0 || root < 0 ? -1 : 0;
}

/* The container's first process stops itself once all is mounted: then it is looked at, and ended. */
static int enter_first(void)
{
	char *words[MOST + 6] = {runtime, "start", folder, remap_root ? "root" : "self", mount_home == 1 ? home : "", NULL};
	FILE *log = tmpfile();
	int status = 0, rc = -1;
	pid_t child;

	memcpy(words + 5, mounts, mount_count * sizeof(*mounts));
	child = log ? start(words, log) : -1;
	if (child > 0 && waitpid(child, &status, WUNTRACED) == child && WIFSTOPPED(status)) {
		rc = take_hold(child);
		kill(child, SIGKILL);
		waitpid(child, &status, 0);
	} else if (log) {
		slurm_error("pyxis: container start failed with error code: %d", WEXITSTATUS(status));
		tell(log);
	}
	if (log)
		fclose(log);
	return rc;
}

/* Once for each node of a step. srun does not hear of a failure here: the tasks tell of it. */
int slurm_spank_user_init(spank_t sp, int count, char **words)
{
	uint32_t job = 0, step = 0;
	char host[65] = "";

	if (!image)
		return 0;
	gethostname(host, sizeof(host) - 1);
	spank_get_item(sp, S_JOB_ID, &job);
	spank_get_item(sp, S_JOB_STEPID, &step);
	spank_getenv(sp, "HOME", home, sizeof(home));
	snprintf(folder, sizeof(folder), "%s/%s/pyxis_%u.%u", data, host, job, step);
	failed = create() || enter_first();
	return 0;
}

/* Tell whether a name is one of --container-env. */
static int is_kept(const char *name)
{
	size_t length = strlen(name);

	for (const char *found = kept; found && *found; found = strchr(found, ',') ? strchr(found, ',') + 1 : NULL)
		if (!strncmp(found, name, length) && (found[length] == ',' || !found[length]))
			return 1;
	return 0;
}

/* The image's variables replace those of the job. */
static void import_variables(spank_t sp)
{
	char *next;

	for (char *name = environment; name < environment + environment_size; name = next) {
		char *value = strchr(name, '=');

		next = name + strlen(name) + 1;
		if (!value)
			continue;
		*value = 0;
		if (!is_kept(name))
			spank_setenv(sp, name, value + 1, 1);
	}
}

int slurm_spank_task_init(spank_t sp, int count, char **words)
{
	if (!image)
		return 0;
	if (failed) {
		slurm_error("pyxis: couldn't start container");
		return -1;
	}
	import_variables(sp);
	if (setns(user_space, CLONE_NEWUSER) || setns(mount_space, CLONE_NEWNS) || fchdir(root) || chroot(".")) {
		slurm_error("pyxis: couldn't join the container: %s", strerror(errno));
		return -1;
	}
	return chdir("/");
}

static int remove_one(const char *path, const struct stat *facts, int kind, struct FTW *place)
{
	return remove(path);
}

/* No process for this: at the end of a step, proctrack/linuxproc kills what slurmstepd has started. */
int slurm_spank_exit(spank_t sp, int count, char **words)
{
	if (*folder && nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) && errno != ENOENT)
		slurm_error("pyxis: failed to remove container filesystem: %s", strerror(errno));
	return 0;
}
