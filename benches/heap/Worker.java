import java.lang.ref.*;
import java.util.*;
import java.util.concurrent.*;

/** A worker-like heap: `java Worker JOBS FILE [JOBS FILE …]` does jobs and writes a dump at each count. */
public class Worker {
    static class Address { String street; int zip; Address(int i) { street = "street " + (i % 1000); zip = i; } }
    static class Item { int sku; long count; Item(int i) { sku = i % 97; count = i; } }
    static class Job {
        final String id; final double at; final Address address; final Item[] items; final Map<Object, Object> tags = new HashMap<>();
        final Runnable done; byte flag; char letter; short small; boolean yes; float part;
        Job(int i) {
            id = "job-" + (i % 50021); at = i * 1.5; address = new Address(i);
            items = new Item[] {new Item(i), new Item(i + 1)};
            tags.put(i % 7, "a"); tags.put("k", i);
            done = () -> System.out.println(id + i);
        }
    }
    static class PriorityJob extends Job { Object extra; int rank; PriorityJob(int i) { super(i); rank = i; extra = i % 2 == 0 ? new int[3] : null; } }
    static final class Slot { Job job; Slot next; Slot(Job job, Slot next) { this.job = job; this.next = next; } }

    static final List<Job> kept = new ArrayList<>();
    static final ConcurrentHashMap<Object, Object> waiting = new ConcurrentHashMap<>();
    static final List<WeakReference<Job>> weak = new ArrayList<>();
    static final List<SoftReference<byte[]>> soft = new ArrayList<>();
    static final WeakHashMap<Job, String> weakMap = new WeakHashMap<>();
    static final ThreadLocal<List<byte[]>> local = ThreadLocal.withInitial(ArrayList::new);
    static Slot chain;
    static long[] figures = new long[1000];

    static void work(int i) {
        Job job = i % 4 == 0 ? new PriorityJob(i) : new Job(i);
        kept.add(job);
        if (i % 3 == 0) waiting.put(job.id + ":" + i, job);
        if (i % 10 == 0) { weak.add(new WeakReference<>(new Job(i))); weak.add(new WeakReference<>(job)); soft.add(new SoftReference<>(new byte[100])); weakMap.put(job, "tag" + i); }
        if (i % 5 == 0) chain = new Slot(job, chain);
        if (i % 20 == 0) local.get().add(new byte[64]);
        if (i % 100 == 0) waiting.put("same text again and again".toUpperCase() + "", new String("same text again and again"));
    }

    static void dump(String file) throws Exception {
        var bean = java.lang.management.ManagementFactory.newPlatformMXBeanProxy(
            java.lang.management.ManagementFactory.getPlatformMBeanServer(),
            "com.sun.management:type=HotSpotDiagnostic", com.sun.management.HotSpotDiagnosticMXBean.class);
        new java.io.File(file).delete();
        bean.dumpHeap(file, true);
    }

    public static void main(String[] args) throws Exception {
        Thread stuck = new Thread(() -> {
            List<byte[]> heldByLocal = new ArrayList<>();
            for (int i = 0; i < 100; i++) heldByLocal.add(new byte[1000]);
            try { Thread.sleep(Long.MAX_VALUE); } catch (InterruptedException e) { System.out.println(heldByLocal); }
        }, "stuck-thread");
        stuck.setDaemon(true); stuck.start();
        int done = 0;
        for (int at = 0; at + 1 < args.length; at += 2) {
            for (int jobs = Integer.parseInt(args[at]); done < jobs; done++) work(done);
            dump(args[at + 1]);
        }
        System.exit(0);
    }
}
